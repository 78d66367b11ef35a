// Comfort on top of pages that work without it: copying, confirming, relative times.
// Trusted Types are on: elements are built, text is set, no HTML is parsed.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Copy buttons; where the clipboard is closed to us, the text is left selected.
for (const button of all("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const result = button.parentElement.querySelector("[role=status]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    result.textContent = "";
    try {
      await navigator.clipboard.writeText(source.textContent);
      result.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      result.textContent = "Selected: now press Ctrl+C or ⌘C";
    }
  });
}

// A shown key leaves with the page, so that the back/forward cache never shows it again.
addEventListener("pagehide", () => {
  for (const part of all("[data-once]")) part.remove();
  for (const note of all("[data-wiped]")) note.hidden = false;
});

// A page that Back brings from the browser's memory may be older than a log-out: it stays hidden
// until the server says that somebody is still logged in. What was typed into it is kept.
addEventListener("pageshow", async ({ persisted }) => {
  if (!persisted || !document.querySelector(".me")) return;
  document.documentElement.hidden = true;
  const answer = await fetch("/account", { method: "HEAD", redirect: "manual" }).catch(() => undefined);
  if (answer?.ok) document.documentElement.hidden = false;
  else location.replace("/login");
});

// Confirmations: a disclosure without script, a modal dialog with it.
for (const [number, details] of all("details.confirm").entries()) {
  const summary = details.querySelector("summary");
  const question = details.querySelector(".question");
  const open = document.createElement("button");
  const dialog = document.createElement("dialog");
  const cancel = document.createElement("button");
  open.type = cancel.type = "button";
  open.className = summary.className;
  open.textContent = summary.textContent;
  cancel.className = "button quiet";
  cancel.textContent = "Cancel";
  cancel.autofocus = true;
  const wasOpen = details.open;
  const title = question.querySelector("h3");
  title.id = `question-${number}`;
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(question);
  question.querySelector("form").append(cancel);
  details.replaceWith(open, dialog);
  open.addEventListener("click", () => dialog.showModal());
  cancel.addEventListener("click", () => dialog.close());
  if (wasOpen || location.hash === `#${question.id}`) dialog.showModal();
}

// One post per press. The time-out gives the button back if the answer never came.
for (const form of all("form[method=post]")) {
  form.addEventListener("submit", () => {
    const enable = (enabled) => all("button", form).forEach((button) => (button.disabled = !enabled));
    enable(false);
    setTimeout(enable, 5000, true);
  });
}
addEventListener("pageshow", () => all("form[method=post] button").forEach((button) => (button.disabled = false)));

// One more empty input at the end of a repeated field.
for (const add of all("[data-add]")) {
  const list = add.previousElementSibling;
  add.hidden = false;
  add.addEventListener("click", () => {
    const item = list.lastElementChild.cloneNode(true);
    const input = item.querySelector("input");
    input.value = "";
    input.setAttribute("aria-label", `Scope ${list.children.length + 1}`);
    list.append(item);
    input.focus();
  });
}

// "3 days ago", with the exact time in the title.
const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
for (const time of all("time[data-relative]")) {
  const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) continue;
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  time.title = time.textContent;
  time.textContent = words.format(Math.round(seconds / size), unit);
}
