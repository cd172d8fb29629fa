// Asks the browser for a passkey and sends the answer to the console. Nothing is decided here.
//
//   <form data-passkey="create|get" data-path="/login" data-token="…" data-next="/">   enrols, or signs in
//   <form data-sign="/approvals/ID/sign-options">                                      signs an answer before it is sent
//
// Of a form to sign, `csrf` is the session's token, checkboxes or hidden fields `gate` are the gates (none: all), `edited`
// is changed arguments as JSON, `scope`, `count`, `ttl` and `open_…` say for what else the yes is to hold, and the button that is pressed has the name `word`, `approve` or anything else. The
// signature goes with the form as `signed`.
"use strict";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const withBytes = (listed) => (listed || []).map((each) => ({ ...each, id: toBytes(each.id) }));

async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    },
  });
  return told(made, ["clientDataJSON", "attestationObject"]);
}

async function get(options) {
  const given = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    },
  });
  return told(given, ["clientDataJSON", "authenticatorData", "signature", "userHandle"]);
}

function told(credential, names) {
  const response = {};
  for (const name of names) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  return { id: credential.id, rawId: toText(credential.rawId), type: credential.type, response };
}

async function post(path, token, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify(body),
  });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error([found.error || "The console does not answer.", found.hint].filter(Boolean).join(" "));
  return found;
}

function say(form, text) {
  let place = form.querySelector("[data-told]");
  if (!place) {
    place = document.createElement("p");
    place.dataset.told = "";
    place.setAttribute("role", "alert");
    form.append(place);
  }
  place.textContent = text;
}

async function pass(form) {
  const { passkey, path, token, next } = form.dataset;
  const options = await post(`${path}/options`, token, {});
  const answer = passkey === "create" ? await create(options) : await get(options);
  const done = await post(path, token, { answer, next });
  location.assign(done.next);
}

async function sign(form, button) {
  const fields = new FormData(form);
  const gates = fields.getAll("gate");
  const { nonce, publicKey } = await post(form.dataset.sign, fields.get("csrf"), {
    grant: button.value === "approve",
    gates: gates.length ? gates : null,
    edited: fields.get("edited") || null,
    remember: Object.fromEntries([...fields].filter(([name]) => /^(scope|count|ttl|open_.*)$/.test(name))),
  });
  const answer = await get(publicKey);
  keep(form, "signed", JSON.stringify({ nonce, answer }));
  keep(form, button.name, button.value);
  form.submit();
}

function keep(form, name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  form.append(field);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const asked = form.dataset.passkey || form.dataset.sign;
  if (!asked) return;
  event.preventDefault();
  const work = form.dataset.passkey ? pass(form) : sign(form, event.submitter);
  say(form, "Waiting for your passkey…");
  work.catch((error) => say(form, error.name === "NotAllowedError" ? "No passkey was given." : error.message));
});
