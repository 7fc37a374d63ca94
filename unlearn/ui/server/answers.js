// Keeps the page listening until all that it asked for is answered.
//
// Gradio's client closes its stream of answers when the server says that nothing is left to answer. A click may have
// been sent meanwhile; the client, which thinks that it still listens, opens no other stream, and the answer waits until
// the next click. Here the stream goes on while anything is unanswered, and a click that is sent while it closes is not
// acknowledged to the client before it has.
//
// A sentence that is on screen already is not shown a second time: a visitor who tries again within its ten seconds would
// collect a column of the same.
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

  // Passes on what the server says, over as many streams of its as it takes.
  async function pass(stream, request, out) {
    const encoder = new TextEncoder();
    const say = (line) => out.enqueue(encoder.encode(`${line}\n\n`));
    while (stream.ok) {
      for await (const line of lines(stream.body)) {
        const told = JSON.parse(line.slice('data:'.length));
        if (told.msg === 'process_completed') unanswered.delete(told.event_id);
        if (told.msg !== 'close_stream' && !isShown(told)) say(line);
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

  // Whether a message is a sentence that is on screen, or about to be.
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
