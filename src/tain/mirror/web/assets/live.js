// Follows the changes of the server. It sets texts and attributes of elements that the page has already, never HTML.
"use strict";
(() => {
  const root = document.documentElement;
  const address = root.dataset.stream;
  if (!address || !window.EventSource) return;

  const STALE = ["held", "failing", "stale", "partial"];
  const SPOKEN = 10000;
  let spoken = 0;

  const each = (key, name, act) => {
    for (const element of document.querySelectorAll(`[data-${key}]`)) {
      if (element.dataset[key] === name) act(element);
    }
  };

  const show = (name, texts) => {
    for (const [field, text] of Object.entries(texts)) {
      each("live", `${name}:${field}`, (element) => {
        if (element.textContent !== text) element.textContent = text;
      });
    }
  };

  const speak = (text) => {
    const now = Date.now();
    if (now - spoken < SPOKEN) return;
    spoken = now;
    const place = document.getElementById("spoken");
    if (place) place.textContent = text;
  };

  const draw = (data) => {
    show(data.name, data.text);
    each("live", "site:statement", (element) => { element.textContent = data.text.statement; });
    each("bar", data.name, (element) => {
      const run = data.run ? data.run.id + data.run.stage : "";
      const share = data.share;
      element.hidden = !data.run;
      if (!data.run || share === null) {
        element.removeAttribute("value");
      } else if (element.dataset.run !== run || share >= Number(element.getAttribute("value") || 0)) {
        // The share of one stage never falls.
        element.setAttribute("value", String(share));
      }
      element.dataset.run = run;
    });
    each("of", data.name, (element) => {
      const before = element.dataset.state;
      if (before === data.state) return;
      element.dataset.state = data.state;
      for (const use of element.querySelectorAll("use")) use.setAttribute("href", "#i-" + data.state);
      if (STALE.includes(before) !== STALE.includes(data.state) || !data.run) {
        const changed = document.getElementById("changed");
        if (changed) changed.hidden = false;
      }
    });
    speak(`${data.name}: ${data.text.state}. ${data.text.note}`);
  };

  // A browser connects again without help; after a long sleep the page may be old, so it says so.
  const source = new EventSource(address);
  for (const kind of ["state", "progress"]) {
    source.addEventListener(kind, (event) => draw(JSON.parse(event.data)));
  }
  window.addEventListener("pagehide", () => source.close());

  // The filter acts while one types; without a script the form does it.
  const box = document.getElementById("filter");
  if (box) {
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase();
      for (const row of document.querySelectorAll("tr[data-words]")) {
        row.hidden = wanted !== "" && !row.dataset.words.includes(wanted);
      }
    });
  }
})();
