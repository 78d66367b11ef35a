// Comfort on top of pages that work without it: copying, confirming, relative times.
// Trusted Types are on: elements are built, text is set, no HTML is parsed.

// The page can be below a path of its host; this script is at /assets/… of the server's own paths.
const url = (path) => new URL(`..${path}`, import.meta.url);
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
      result.textContent = "Selected. Press Ctrl+C (⌘C) to copy.";
    }
  });
}

// Over plain HTTP no cookie of a server that is reached by https is kept: say so before anything is typed.
if (location.protocol === "http:") for (const notice of all("[data-over-http]")) notice.hidden = false;

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
  const answer = await fetch(url("/account"), { method: "HEAD", redirect: "manual" }).catch(() => undefined);
  if (answer?.ok) document.documentElement.hidden = false;
  else location.replace(url("/login"));
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

// A day ends at midnight where the person is: the form says how many minutes that is from UTC's midnight.
for (const input of all("[data-local-day]")) {
  const hint = document.getElementById(`${input.id}-hint`);
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const now = new Date();
  const two = (number) => String(number).padStart(2, "0");
  input.min = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  hint.textContent = `Works until midnight your time (${zone}) at the end of this day.`;
  input.form.addEventListener("submit", () => {
    const [year, month, day] = input.value.split("-").map(Number);
    const offset = (Date.UTC(year, month - 1, day + 1) - new Date(year, month - 1, day + 1)) / 60000;
    input.form.elements.utc_offset.value = Number.isNaN(offset) ? "" : Math.round(offset);
  });
}

// One post per press. The time-out gives the button back if the answer never came.
for (const form of all("form[method=post]")) {
  form.addEventListener("submit", () => {
    const enable = (enabled) => all("button", form).forEach((button) => (button.disabled = !enabled));
    enable(false);
    setTimeout(enable, 5000, true);
    // With several nodes, an answer can take as long as a lease: say what it is waiting for.
    const note = document.createElement("p");
    note.setAttribute("role", "status");
    note.className = "hint";
    form.append(note);
    const asking = setInterval(async () => {
      const answer = await fetch(url("/nodes/waiting")).catch(() => undefined);
      if (answer?.status === 200) note.textContent = await answer.text();
    }, 700);
    addEventListener("pagehide", () => {
      clearInterval(asking);
      note.remove();
    }, { once: true });
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
  const isNow = seconds <= 0 && seconds > -60;
  time.textContent = isNow ? "just now" : words.format(Math.round(seconds / size), unit);
}
