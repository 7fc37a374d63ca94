// Keeps the page's stream of answers open until every request is answered.
//
// Gradio's client closes its stream of answers when the server reports that none is left. If a click was sent at the
// same moment, the client assumes that its stream is still open and opens no other, so the answer waits until the next
// click. This script keeps the stream open while any request is unanswered, and acknowledges a click that is sent while
// the stream closes only after it has closed.
//
// A message that is already on screen is not shown again: a visitor who retries within its ten seconds would collect a
// column of identical messages.
(() => {
  const plain = window.fetch.bind(window);
  const unanswered = new Set();
  let asking = 0;
  let closed = Promise.resolve();
  const coming = new Set(); // sentences that were passed on a moment ago

  window.fetch = (resource, options) => {
    const path = new URL(resource.url ?? resource, location.href).pathname;
    if (path.endsWith('/queue/join')) return ask(resource, options);
    if (path.endsWith('/queue/data')) return listen(resource, options);
    return plain(resource, options);
  };

  async function ask(resource, options) {
    asking++;
    try {
      const answer = await plain(resource, options);
      if (answer.ok) unanswered.add((await answer.clone().json()).event_id);
      await closed;
      return answer;
    } finally {
      asking--;
    }
  }

  async function listen(resource, options) {
    const request = new Request(resource, options);
    const first = await plain(request.clone());
    if (!first.ok || !first.body) return first;
    const body = new ReadableStream({start: (out) => pass(first, request, out).catch((error) => out.error(error))});
    return new Response(body, {status: first.status, headers: first.headers});
  }

  // Forwards the server's events to the client, over as many streams as needed.
  async function pass(stream, request, out) {
    const encoder = new TextEncoder();
    const say = (line) => out.enqueue(encoder.encode(`${line}\n\n`));
    while (stream.ok) {
      for await (const line of lines(stream.body)) {
        const message = JSON.parse(line.slice('data:'.length));
        if (message.msg === 'process_completed') unanswered.delete(message.event_id);
        if (message.msg !== 'close_stream' && !isShown(message)) say(line);
      }
      if (!asking && !unanswered.size) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
      stream = await plain(request.clone());
    }
    closed = new Promise((resolve) => {
      if (request.signal.aborted) resolve();
      request.signal.addEventListener('abort', resolve, {once: true});
      setTimeout(resolve, 1000); // whatever becomes of the client, clicks are passed on
    });
    say('data: {"msg": "close_stream"}');
    out.close();
  }

  // Returns whether a message is a sentence that is on screen or about to be.
  function isShown({msg, log}) {
    if (msg !== 'log') return false;
    const text = new DOMParser().parseFromString(log, 'text/html').body.textContent.trim();
    const toasts = [...document.querySelectorAll('[data-testid="toast-text"]')];
    if (coming.has(text) || toasts.some((toast) => toast.textContent.trim() === text)) return true;
    coming.add(text);
    setTimeout(() => coming.delete(text), 1000);
    return false;
  }

  async function* lines(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const parts = (rest + read.value).split('\n');
      rest = parts.pop();
      yield* parts.filter((part) => part.startsWith('data:'));
    }
  }
})();
