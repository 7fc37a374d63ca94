// Draws the bars and the headline for a position of the strength slider, before the server knows of it.
async (strength) => {
  const percent = (fraction) => `${Math.round(100 * fraction)}%`;
  const plot = document.querySelector('#label-chart .js-plotly-plot');
  const scores = plot?.layout?.meta?.by_strength;
  if (scores) {
    const [constant, linear, square] = scores.squared_norm;
    const norm = Math.sqrt(constant + strength * linear + strength ** 2 * square);
    const logits = scores.start.map((start, label) => (start + strength * scores.slope[label]) / norm);
    const highest = Math.max(...logits);
    const parts = logits.map((logit) => Math.exp(logit - highest));
    const total = parts.reduce((sum, part) => sum + part, 0);
    const shown = scores.shown.map((label) => parts[label] / total);
    window.Plotly.restyle(plot, {x: [shown], text: [shown.map(percent)]}, [plot.data.length - 1]);
  }
  for (const number of document.querySelectorAll('#summary [data-by-strength]')) {
    number.textContent = percent(JSON.parse(number.dataset.byStrength)[Math.round(100 * strength)]);
  }
  // The server is asked for the rest once the slider rests: all but the last position of a drag end here.
  const moved = (window.sliderMoved = {});
  await new Promise((resolve) => setTimeout(resolve, 150));
  if (window.sliderMoved !== moved) await new Promise(() => {});
}
