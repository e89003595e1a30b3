// Thumbs for every element with data-coalmine-feedback="LINK", also for those that come later.
// Words: data-up, data-down, data-thanks, data-failed. Style: the buttons have aria-pressed.
(() => {
  const attribute = "data-coalmine-feedback";
  const draw = (place) => {
    if (place.coalmine) return;
    place.coalmine = true;
    const words = place.dataset;
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    const buttons = [["up", "👍", words.up || "Good answer"], ["down", "👎", words.down || "Bad answer"]].map(
      ([thumbs, sign, label]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = sign;
        button.setAttribute("aria-label", label);
        button.setAttribute("aria-pressed", "false");
        button.onclick = async () => {
          const all = (change) => buttons.forEach(change);
          all((each) => { each.disabled = true; });
          said.textContent = "";
          try {
            const link = place.getAttribute(attribute);
            const url = `${link}&thumbs=${thumbs}&click=${Date.now()}`;
            const answer = await fetch(url, { method: "POST", credentials: "omit", keepalive: true });
            if (!answer.ok) throw answer.status;
            all((each) => each.setAttribute("aria-pressed", String(each === button)));
            said.textContent = words.thanks || "Thank you";
          } catch {
            said.textContent = words.failed || "Not sent: try again";
          }
          all((each) => { each.disabled = false; });
        };
        return button;
      });
    place.append(...buttons, said);
  };
  const look = () => document.querySelectorAll(`[${attribute}]`).forEach(draw);
  look();
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
})();
