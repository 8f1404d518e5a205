"use strict";
// The token view. Everything that comes from the run is set as text, never as HTML.
(() => {
  const read = () => JSON.parse(document.getElementById("tokens").textContent);
  let content = read();
  if (!content) return;
  const outcomes = JSON.parse(document.getElementById("outcomes").textContent);
  const byId = (id) => document.getElementById(id);
  const about = {
    advantage: "Advantage as the update used it (whitened): what was credited, and what was blamed.",
    kl: "log π − log π₀ of the token, in nats: where the policy has become more, or less, sure than after the warm-up.",
    value: "The reward that the value model expected when the token was sampled, against the middle of the rewards shown here.",
    ratio: "π_new / π_old of the token after the update of this iteration: what became more likely, and what less.",
  };
  const number = (value, digits = 3) =>
    value === null ? "none" : String(Number(value.toPrecision(digits))).replace(/^-/, "−");
  const signed = (value) => (value === null ? "none" : (value > 0 ? "+" : "") + number(value));
  let measure = "advantage";
  let shown = content.steps.length - 1;

  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // From -1 (as low as colours go) over 0 (no colour) to 1.
  const strength = (value) => {
    if (value === null) return 0;
    const scale = content.scales[measure];
    const distance = (measure === "ratio" ? Math.log(Math.max(value, 1e-12)) : value) - scale.middle;
    return Math.max(-1, Math.min(1, distance / scale.reach));
  };

  const visible = (text, isLast) => {
    if (text === "") return isLast ? "∎" : "·"; // end of sequence; a piece of a character
    return text.replace(/\n/g, "⏎\n").replace(/\t/g, "⇥\t").replace(/\r/g, "␍");
  };

  const shade = () => {
    for (const card of byId("responses").children) {
      const response = content.steps[shown].responses[Number(card.dataset.index)];
      card.querySelectorAll(".token").forEach((token, index) => {
        const amount = strength(response[measure][index]);
        token.style.setProperty("--amount", Math.abs(amount).toFixed(3));
        token.classList.toggle("below", amount < 0);
      });
    }
    const scale = content.scales[measure];
    const ends = [scale.middle - scale.reach, scale.middle + scale.reach];
    const told = measure === "ratio" ? ends.map((end) => number(Math.exp(end))) : ends.map((end) => number(end));
    byId("scale-low").textContent = "≤ " + told[0];
    byId("scale-high").textContent = "≥ " + told[1];
    byId("measure-about").textContent = about[measure];
  };

  const describe = (response, index) =>
    `${index + 1} of ${response.text.length}\nadvantage ${signed(response.advantage[index])}\n` +
    `KL ${signed(response.kl[index])}\n${content.scales.value ? `value ${number(response.value[index])}\n` : ""}` +
    `ratio ${number(response.ratio[index], 4)}`;

  const tip = byId("token-tip");
  let place = () => {};
  // Near the token, and near the pointer where a token is broken over two lines.
  const point = (token, response, index, pointed) => {
    tip.replaceChildren(make("code", { textContent: response.text[index] ? JSON.stringify(response.text[index]) : "no text" }), " " + describe(response, index));
    tip.hidden = false;
    const line = Math.max(0, [...token.getClientRects()].findIndex(({ top, bottom }) => pointed >= top && pointed <= bottom));
    place = () => {
      const at = token.getClientRects()[line];
      if (!at) return leave();
      const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
      const above = at.top - tip.offsetHeight - 6;
      tip.style.left = `${Math.max(8, left)}px`;
      tip.style.top = `${above > 0 ? above : at.bottom + 6}px`;
    };
    place();
  };
  const leave = () => { tip.hidden = true; };

  const card = (response, number_) => {
    const body = make("div", { className: "response", role: "group", ariaLabel: `response ${number_ + 1}, token by token` });
    response.text.forEach((text, index) => {
      const token = make("span", { className: "token", textContent: visible(text, index === response.text.length - 1), tabIndex: index ? -1 : 0 });
      token.dataset.index = index;
      if (text.trim() === "" || /^<.*>$/.test(text)) token.classList.add("sign");
      body.append(token);
    });
    const told = (event) => {
      const token = event.target.closest(".token");
      if (token) point(token, response, Number(token.dataset.index), event.clientY);
    };
    body.addEventListener("pointerover", told);
    body.addEventListener("focusin", told);
    body.addEventListener("pointerout", leave);
    body.addEventListener("focusout", leave);
    body.addEventListener("keydown", (event) => {
      const tokens = [...body.children];
      const now = tokens.indexOf(document.activeElement);
      const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tokens.length - 1 }[event.key];
      if (event.key === "Escape") leave();
      if (next === undefined || !tokens[next]) return;
      event.preventDefault();
      tokens[now].tabIndex = -1;
      tokens[next].tabIndex = 0;
      tokens[next].focus();
    });
    const kind = (response.outcome || "no outcome");
    const head = make("p", { className: "verdict" },
      make("span", { className: "outcome", textContent: outcomes[kind] || kind }),
      make("span", { textContent: "answer " }, make("b", { textContent: response.answer === null ? "none" : response.answer })),
      make("span", { textContent: "gold " }, make("b", { textContent: response.gold === null ? "none" : response.gold })),
      make("span", { textContent: "reward " }, make("b", { textContent: number(response.reward) })));
    head.firstChild.style.setProperty("--key", `var(--${/^\w+$/.test(kind) ? kind : "other"})`);
    const cut = response.cut ? [make("p", { className: "hint", textContent: "The rest of the response is left out." })] : [];
    const element = make("article", {}, head, make("p", { className: "question", textContent: response.question || "" }), body, ...cut);
    element.dataset.index = number_;
    return element;
  };

  const show = () => {
    leave();
    const { step, iteration, responses } = content.steps[shown];
    byId("token-step").value = shown;
    byId("token-step-name").textContent = iteration > 0 && iteration !== step ? `iteration ${iteration} (step ${step})` : `${step}`;
    byId("token-step").setAttribute("aria-valuetext", `step ${step}`);
    byId("token-back").disabled = shown === 0;
    byId("token-on").disabled = shown === content.steps.length - 1;
    byId("responses").replaceChildren(...responses.map(card));
    shade();
  };

  // The tip stands in the window, and its token on the page.
  addEventListener("scroll", () => { if (!tip.hidden) place(); }, { passive: true });

  // A newer page has more steps: the last one stays the last, and all others stay what they are.
  document.addEventListener("renewed", () => {
    const { step } = content.steps[shown];
    const wasLast = shown === content.steps.length - 1;
    content = read();
    byId("token-step").max = content.steps.length - 1;
    const same = content.steps.findIndex((each) => each.step === step);
    shown = wasLast || same < 0 ? content.steps.length - 1 : same;
    show();
  });

  byId("token-step").max = content.steps.length - 1;
  byId("token-step").addEventListener("input", (event) => { shown = Number(event.target.value); show(); });
  byId("token-back").addEventListener("click", () => { shown = Math.max(0, shown - 1); show(); });
  byId("token-on").addEventListener("click", () => { shown = Math.min(content.steps.length - 1, shown + 1); show(); });
  document.querySelectorAll("input[name=measure]").forEach((input) => {
    if (!content.scales[input.value]) { input.parentElement.remove(); return; } // no critic, no values
    if (input.checked) measure = input.value; // a reloaded page keeps what was chosen
    input.addEventListener("change", () => { measure = input.value; leave(); shade(); });
  });
  show();
})();
