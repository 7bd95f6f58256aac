// @ts-check
// What the server is asked. Every failure is a sentence.

export class Refused extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} method @param {string} path @param {any} [body] JSON, or a file.
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body, signal) {
  const headers = /** @type {Record<string, string>} */ ({ "X-Pixelkin": "1" });
  if (body !== undefined && !(body instanceof Blob)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { method, headers, body, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused("the server does not answer: is pixelkin app still running?", 0);
  }
  const text = await answer.text();
  let told = null;
  try {
    told = JSON.parse(text);
  } catch {
    told = { error: `the server answered ${answer.status}` };
  }
  if (!answer.ok) throw new Refused(told.error ?? `the server answered ${answer.status}`, answer.status);
  return told;
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export const get = (path, signal) => ask("GET", path, undefined, signal);

/**
 * Listen to what happens; goes on by itself after the server was away.
 * @param {(event: any) => void} heard
 * @param {(there: boolean) => void} connected Told when the server goes away, and comes back.
 */
export function listen(heard, connected) {
  const source = new EventSource("/api/events");
  source.onopen = () => connected(true);
  source.onerror = () => {
    connected(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(heard, connected), 2000);
  };
  source.onmessage = (message) => heard(JSON.parse(message.data));
}
