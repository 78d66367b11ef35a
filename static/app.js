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

// A page that Back brings from the browser's memory may be older than a sign-out: it stays hidden
// until the server says that somebody is still signed in. What was typed into it is kept.
addEventListener("pageshow", async ({ persisted }) => {
  if (!persisted || !document.body.classList.contains("framed")) return;
  document.documentElement.hidden = true;
  const answer = await fetch(url("/account"), { method: "HEAD", redirect: "manual" }).catch(() => undefined);
  if (answer?.ok) document.documentElement.hidden = false;
  else location.replace(url("/login"));
});

// The outcome of the last action goes after 8 s, but never while somebody reads it.
for (const toast of all(".toast")) {
  const isRead = () => toast.matches(":hover, :focus-within");
  const leave = () => (isRead() ? setTimeout(leave, 2000) : toast.remove());
  setTimeout(leave, 8000);
  addEventListener("pagehide", () => toast.remove());
}

// The person's menu closes like any other menu.
for (const menu of all("details.who")) {
  document.addEventListener("click", ({ target }) => menu.contains(target) || (menu.open = false));
  menu.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// Confirmations: a disclosure without script, a modal dialog with it. The harmless button has the focus.
const questions = new Map();
for (const [number, details] of all("details.confirm").entries()) {
  const summary = details.querySelector("summary");
  const question = details.querySelector(".question");
  const opener = document.createElement("button");
  const dialog = document.createElement("dialog");
  const cancel = document.createElement("button");
  opener.type = cancel.type = "button";
  opener.className = summary.className;
  opener.append(...summary.childNodes);
  cancel.className = "button quiet";
  cancel.textContent = "Cancel";
  cancel.autofocus = true;
  const wasOpen = details.open;
  const title = question.querySelector("h2, h3");
  title.id = `question-${number}`;
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(question);
  question.querySelector("form").append(cancel);
  details.replaceWith(opener, dialog);
  const open = () => {
    dialog.showModal();
    cancel.focus();
  };
  opener.addEventListener("click", open);
  cancel.addEventListener("click", () => dialog.close());
  questions.set(`#${question.id}`, open);
  question.removeAttribute("id");
  if (wasOpen) dialog.showModal();
}

// A link from a list opens its question. The fragment goes, so that a reload does not ask again; only after the page
// has loaded, because the browser would take the focus away when it looks for the fragment's target.
const ask = () => {
  const open = questions.get(location.hash);
  if (!open) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  open();
};
addEventListener("load", () => setTimeout(ask));
addEventListener("hashchange", ask);

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

// The form for a new key says in one line, above its button, what the key will be able to do.
for (const line of all("[data-summary]")) {
  const form = line.closest("form");
  const values = (name) => all(`[name="${name}"]`, form).filter((input) => input.type !== "checkbox" || input.checked)
    .flatMap((input) => input.value.split(/[\s,]+/)).filter(Boolean);
  const expiry = () => {
    const chosen = form.querySelector("[name=expires]:checked");
    const day = chosen?.parentElement.querySelector(".faint")?.textContent;
    if (chosen?.value === "custom") return `until the end of ${form.elements.expires_on.value || "the chosen day"}`;
    return day ? `until ${day}` : "never expires";
  };
  const limit = () => {
    const { limit_requests: requests, limit_window: window } = form.elements;
    return requests.value.trim() && `${requests.value.trim()} requests per ${window.selectedOptions[0].text}`;
  };
  const write = () => {
    const [scopes, ranges] = [values("scopes"), values("allowed_ips")];
    const parts = [scopes.join(", ") || "no scopes", expiry(), `from ${ranges.join(", ") || "anywhere"}`, limit()];
    line.textContent = parts.filter(Boolean).join(" · ");
    line.hidden = false;
  };
  form.addEventListener("input", write);
  write();
}

// Days of the audit log are those of the reader's zone, in its filter and in its headings.
for (const form of all("[data-local-days]")) {
  const offset = (day) => {
    const [year, month, date] = day.split("-").map(Number);
    return Math.round((Date.UTC(year, month - 1, date) - new Date(year, month - 1, date)) / 60000);
  };
  const text = (day) => [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((n) => String(n).padStart(2, "0")).join("-");
  const { from, to, utc_offset: field } = form.elements;
  const fill = () => (field.value = offset(from.value || to.value || text(new Date())));
  fill();
  form.addEventListener("submit", fill);
  document.getElementById("zone").firstChild.textContent = "Days and times are those of your time zone.";
  for (const link of all("[data-days-back]")) {
    const start = new Date();
    start.setDate(start.getDate() - link.dataset.daysBack);
    const target = new URL(link.href);
    target.searchParams.set("from", text(start));
    target.searchParams.set("utc_offset", offset(text(start)));
    link.href = target;
  }
}

// A slash and Ctrl+K (⌘K) lead to the search field, unless somebody is typing or answering a question.
const find = document.getElementById("find");
addEventListener("keydown", (event) => {
  const { key, ctrlKey, metaKey, altKey, target } = event;
  const isTyping = target.closest?.("input, textarea, select, [contenteditable]");
  const isSlash = key === "\u002f" && !ctrlKey && !metaKey && !altKey && !isTyping;
  const isK = key.toLowerCase() === "k" && (ctrlKey || metaKey) && !altKey;
  if (!find || !(isSlash || isK) || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  find.focus();
  find.select();
});

// What was pasted leaves with the page, so that Back never shows it again.
addEventListener("pagehide", () => {
  for (const field of all("[data-forget]")) field.value = "";
});

// A key that is pasted into the search of a list goes to that field instead, so that it gets into no address.
for (const form of all("form[method=get]")) {
  form.addEventListener("submit", (event) => {
    const pasted = form.elements.q?.value ?? "";
    if (!find || !/[a-z][a-z0-9_]*_[A-Za-z0-9_-]{49}/.test(pasted)) return;
    event.preventDefault();
    find.value = pasted;
    form.elements.q.value = "";
    find.form.requestSubmit();
  });
}

// A form that is sent after the session has ended is not lost: what was typed comes back with its page after sign-in.
// Secrets are never kept.
const restore = (fields) => {
  const free = new Set(all("main :is(input:not([type=hidden], [type=password]), select, textarea)"));
  for (const [name, value] of fields) {
    const isChoice = ({ type }) => type === "radio" || type === "checkbox";
    const input = [...free].find((input) => input.name === name && (!isChoice(input) || input.value === value));
    if (!input) continue;
    free.delete(input);
    if (isChoice(input)) input.checked = true;
    else input.value = value;
  }
};
if (document.body.classList.contains("framed")) {
  const { path, fields } = JSON.parse(sessionStorage.getItem("form") ?? "{}");
  sessionStorage.removeItem("form");
  const isAfterSignIn = document.referrer.startsWith(url("/login").href);
  if (path === location.pathname && isAfterSignIn) restore(fields);
  for (const form of all("main form[method=post]:not(:has([data-forget]))")) {
    form.addEventListener("submit", () => {
      const fields = [...new FormData(form)].filter(([name, value]) => value && !/password|csrf|version/.test(name));
      sessionStorage.setItem("form", JSON.stringify({ path: location.pathname, fields }));
    });
  }
}

// One post per press. The time-out gives the button back if the answer never came.
for (const form of all("form[method=post]")) {
  form.addEventListener("submit", () => {
    const enable = (enabled) => all("button", form).forEach((button) => (button.disabled = !enabled));
    // Only after the browser has read the form: a disabled button would be missing from it.
    setTimeout(enable, 0, false);
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

// A choice filters at once; without script there is a button.
for (const select of all("form[role=search] select")) select.addEventListener("change", () => select.form.requestSubmit());

// One tick for all rows of a page.
for (const header of all("[data-tick-all]")) {
  const ticks = all(".tick input", header.closest("table"));
  const every = document.createElement("input");
  const show = () => {
    const number = ticks.filter((tick) => tick.checked).length;
    every.checked = number === ticks.length;
    every.indeterminate = number > 0 && !every.checked;
  };
  every.type = "checkbox";
  every.setAttribute("aria-label", header.dataset.tickAll);
  every.addEventListener("change", () => ticks.forEach((tick) => (tick.checked = every.checked)));
  ticks.forEach((tick) => tick.addEventListener("change", show));
  header.append(every);
  addEventListener("pageshow", show);
}

// Times in the reader's own zone, in words ("3 days ago") within a week; the other form is in the title.
const week = 7 * 86400;
const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const formats = {
  date: new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }),
  exact: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }),
  clock: new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }),
  day: new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "short", year: "numeric" }),
};
const relative = (moment) => {
  const seconds = (moment - Date.now()) / 1000;
  if (Math.abs(seconds) >= week) return undefined;
  if (Math.abs(seconds) < 60) return seconds > 0 ? "in less than a minute" : "just now";
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size);
  return words.format(Math.trunc(seconds / size), unit);
};
for (const time of all("time[data-form]")) {
  const moment = Date.parse(time.dateTime);
  if (Number.isNaN(moment)) continue;
  const { form } = time.dataset;
  const [utc, near, exact] = [time.textContent, relative(moment), formats.exact.format(moment)];
  if (form === "near" || form === "both") {
    time.textContent = near ?? formats.date.format(moment);
    time.title = `${exact} (${utc})`;
  } else {
    time.textContent = formats[form].format(moment);
    time.title = near ? `${near} (${utc})` : utc;
  }
  if (form === "both") {
    const below = document.createElement("small");
    below.textContent = exact;
    time.after(below);
  }
}
for (const list of all("[data-days]")) {
  let shown = "";
  for (const heading of all("h2", list)) heading.remove();
  for (const row of all(".event", list)) {
    const day = formats.day.format(Date.parse(row.querySelector("time").dateTime));
    if (day !== shown) {
      const heading = document.createElement("h2");
      heading.className = "day";
      heading.textContent = day;
      row.before(heading);
    }
    shown = day;
  }
}
