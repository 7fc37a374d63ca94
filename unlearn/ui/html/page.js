// Gives screen readers the numbers of each chart as text, lets them report what a change of the edit costs, sorts tables
// by the column whose head is clicked, shows a link to share whole, and saves drawn images: those before the edit in one
// row, those after it below.
(() => {
  const describe = () => {
    for (const chart of document.querySelectorAll('.js-plotly-plot')) {
      const text = chart.layout?.meta?.text;
      if (!text || chart.ariaLabel === text) continue;
      chart.role = 'img';
      chart.ariaLabel = text;
    }
    for (const link of document.querySelectorAll('#share-link a')) {
      if (link.textContent !== link.href) link.textContent = link.href;
    }
    document.getElementById('summary')?.setAttribute('aria-live', 'polite');
  };
  new MutationObserver(describe).observe(document, {childList: true, subtree: true});

  document.addEventListener('click', ({target}) => {
    if (!target.closest('.u-save')) return;
    const drawn = [...document.querySelectorAll('.u-drawn img')];
    const side = drawn[0].naturalWidth;
    const sheet = Object.assign(document.createElement('canvas'), {width: side * drawn.length / 2, height: side * 2});
    drawn.forEach((image, place) => {
      const column = place % (drawn.length / 2);
      sheet.getContext('2d').drawImage(image, side * column, column === place ? 0 : side);
    });
    Object.assign(document.createElement('a'), {download: 'before and after.png', href: sheet.toDataURL()}).click();
  });

  document.addEventListener('click', ({target}) => {
    const head = target.closest('.u-sortable th:has(button)');
    if (!head) return;
    const rows = [...head.closest('table').tBodies[0].rows];
    const down = head.ariaSort === 'ascending';
    for (const other of head.parentElement.cells) other.ariaSort = null;
    head.ariaSort = down ? 'descending' : 'ascending';
    const text = (row) => row.cells[head.cellIndex].textContent.trim();
    rows.sort((a, b) => (down ? -1 : 1) * text(a).localeCompare(text(b), undefined, {numeric: true}));
    rows[0]?.parentElement.append(...rows);
  });
})();
