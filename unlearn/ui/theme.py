"""Look of the page: system fonts, one blue, and the few rules gradio's components do not bring."""

from __future__ import annotations

import gradio as gr

FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def build_theme() -> gr.themes.Base:
    """Gradio's default with fonts that every machine has: the page loads nothing from elsewhere."""
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONT, font_mono=MONO)
    # Gradio's own is too pale on white to be read with ease (2.6 to 1).
    return theme.set(body_text_color_subdued="*neutral_500")


CSS = """
.gradio-container { width: 100%; max-width: 1320px !important; margin: 0 auto; }
.hide-container > .html-container { padding: 0 !important; }
.u-page h3 { margin: 0; font-size: var(--text-lg); }
.u-head h3 { white-space: nowrap; }
#about h3:not(:first-child) { margin: 22px 0 6px; }
.u-header { padding: 4px 2px 8px; }
.u-header h1 { font-size: 1.7rem; font-weight: 700; letter-spacing: -0.02em; margin: 0; }
.u-header p { margin: 2px 0 0; font-size: 1rem; color: var(--body-text-color-subdued); }
.u-small { font-size: var(--text-sm); color: var(--body-text-color-subdued); margin: 0; }
.u-erased { color: #d6455d; font-weight: 600; }
.u-notice { font-size: var(--text-sm); margin: 6px 0 0; padding-left: 10px; border-left: 3px solid #e08a1e; }

.u-summary { padding: 0 2px; }
.u-metrics { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; margin: 6px 0 8px; }
.u-metric { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 7px 10px;
  background: var(--block-background-fill); display: flex; flex-direction: column; }
.u-numbers { font-size: 0.95rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.u-numbers s { text-decoration: none; color: var(--body-text-color-subdued); }
.u-numbers b { font-size: 1.15rem; }

.u-variant { display: inline-flex; align-items: center; gap: 7px; font-weight: 600; white-space: nowrap; }
.u-variant i { width: 11px; height: 11px; border-radius: 3px; }
.u-scroll { overflow-x: auto; }
.u-table { width: 100%; border: 0 !important; margin: 0 !important; border-collapse: collapse;
  font-size: var(--text-sm); font-variant-numeric: tabular-nums; }
.u-table tr { border: 0 !important; }
.u-table th, .u-table td { padding: 5px 9px !important; text-align: right; white-space: nowrap; font-weight: 400;
  border-width: 0 0 1px !important; border-style: solid !important;
  border-color: var(--border-color-primary) !important; }
.u-table thead th { color: var(--body-text-color-subdued); font-weight: 600; }
.u-table th[scope=row], .u-table tr > :first-child { text-align: left; }
.u-table thead th[colspan] { text-align: center; }
.u-table thead small { font-weight: 400; }
.u-table .u-group th { font-weight: 600; padding-top: 12px; }

.u-variants { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 10px 24px; }
.u-variants h4 { margin: 4px 0 8px; font-size: var(--text-md); }
.u-cards { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }
.u-card { margin: 0; border: 1px solid var(--border-color-primary); border-radius: var(--radius-md); overflow: hidden;
  background: var(--block-background-fill); }
.u-card img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #fff; display: block; }
.u-lost { aspect-ratio: 1; display: grid; place-items: center; text-align: center; font-size: var(--text-xs);
  color: var(--body-text-color-subdued); background: var(--background-fill-secondary); }
.u-card figcaption { padding: 3px 6px 4px; font-size: var(--text-xs); line-height: 1.25; display: flex;
  justify-content: space-between; gap: 4px; }
.u-card figcaption span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.u-card small, .u-captions small { color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.u-captions { margin: 0; padding: 0; list-style: none; font-size: var(--text-sm); }
.u-captions .u-erased span { color: #d6455d; }
.u-captions li { display: flex; justify-content: space-between; gap: 10px; padding: 3px 0;
  border-bottom: 1px solid var(--border-color-primary); }
.u-shown img { width: 100%; max-width: 180px; border-radius: var(--radius-md); background: #fff; }

#model input { text-overflow: ellipsis; padding-right: 28px; }
#source span { overflow-wrap: anywhere; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
.u-head { align-items: center !important; justify-content: space-between; flex-wrap: nowrap !important; }
.u-strip { display: flex; gap: 8px; overflow-x: auto; padding: 2px 2px 8px; }
.u-strip button { flex: 0 0 84px; padding: 0; border: 1px solid var(--border-color-primary);
  border-radius: var(--radius-md); overflow: hidden; background: var(--block-background-fill); cursor: pointer; }
.u-strip button:hover, .u-strip button:focus-visible { border-color: #2f86d6; box-shadow: 0 0 0 1px #2f86d6; }
.u-strip img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #fff; display: block; }
.u-strip button > span { display: block; padding: 2px 4px 3px; font-size: var(--text-xs); overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }

.u-run p { margin: 0 0 6px; }
.u-run progress { appearance: none; width: 100%; height: 8px; border: 0; border-radius: 4px; overflow: hidden; }
.u-run progress::-webkit-progress-bar { background: var(--border-color-primary); }
.u-run progress::-webkit-progress-value { background: #e08a1e; }
.u-run progress::-moz-progress-bar { background: #e08a1e; }

.u-link { align-items: center !important; flex-wrap: nowrap !important; }
.u-link a { overflow-wrap: anywhere; }
.u-part { margin-top: 14px; }
.u-buttons { align-items: center !important; flex-wrap: wrap !important; }
#training-too { flex: 1 1 240px; border: 0; background: none; padding: 4px; }
.u-methods th:nth-child(2) { text-align: left !important; }
.u-table td.u-refusal { text-align: left; white-space: normal; }
.u-prompt button { align-self: end; min-height: 44px; }
.u-preview { display: flex; gap: 12px; margin-top: 10px; }
.u-preview img { width: 112px; height: 112px; border-radius: var(--radius-md); }
.u-drawn { display: grid; grid-template-columns: 4.2em repeat(var(--n), minmax(0, 150px)); gap: 8px; margin: 8px 0; }
.u-side-name { align-self: center; font-weight: 600; }

.u-group { margin: 14px 0 0; }
.u-group h3 { margin: 0 0 2px; }
.u-finding { border-bottom: 1px solid var(--border-color-primary); padding: 7px 0; }
.u-finding summary { display: grid; grid-template-columns: 104px 216px 128px minmax(0, 1fr) 12px; gap: 4px 12px;
  align-items: baseline; cursor: pointer; list-style: none; }
.u-finding summary::-webkit-details-marker { display: none; }
.u-finding summary::after { content: "▸"; grid-row: 1; grid-column: 5; color: var(--body-text-color-subdued); }
.u-finding[open] summary::after { content: "▾"; }
.u-finding > :not(summary) { margin: 6px 0 4px; }
.u-finding .u-numbers b { font-size: inherit; }
.u-what { font-weight: 600; }
.u-meaning { color: var(--body-text-color-subdued); font-size: var(--text-sm); }
.u-mark { font-size: var(--text-sm); font-weight: 600; border: 1px solid currentColor; border-radius: 999px;
  padding: 1px 9px; justify-self: start; white-space: nowrap; }
.u-leaked { color: #d6455d; } .u-held { color: #22855f; } .u-not-applicable { color: var(--body-text-color-subdued); }
.dark .u-held { color: #3fbf92; }
.u-soft { display: grid; grid-template-columns: 4.2em repeat(var(--n), minmax(0, 84px)); gap: 6px; }
.u-soft img { width: 100%; border-radius: var(--radius-md); display: block; }

.u-plot-360 { min-height: 360px; } .u-plot-400 { min-height: 400px; } .u-plot-460 { min-height: 460px; }
@media (max-width: 520px) {
  .main.fillable { padding: 12px 14px !important; }
  .tab-container button { padding: 0 9px !important; font-size: var(--text-sm) !important; }
  .u-head { flex-wrap: wrap !important; }
  .u-head > * { flex: 1 1 100% !important; }
  .u-side { gap: 8px !important; }
  .u-header p { font-size: var(--text-sm); }
  .u-table { font-size: var(--text-xs); }
  .u-methods th { white-space: normal; }
  .u-drawn { grid-template-columns: repeat(var(--n), minmax(0, 1fr)); gap: 5px; }
  .u-side-name { grid-column: 1 / -1; }
  .u-soft { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .u-finding summary { grid-template-columns: auto 1fr auto 12px; }
  .u-finding summary::after { grid-column: 4; }
  .u-meaning { grid-column: 1 / -1; }
  .u-table th, .u-table td { padding: 5px 3px !important; }
  .u-table small { display: block; font-weight: 400; }
}
.toast-wrap { top: auto !important; bottom: var(--size-3); }
.toast-wrap .toast-messages { max-height: 30vh; overflow-y: auto; }
.u-plot .empty { visibility: hidden; }
footer .divider { display: none !important; }
.modebar { display: none !important; }
"""
