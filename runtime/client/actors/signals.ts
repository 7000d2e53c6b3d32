/**
 * Abort signals that many wait for at once. Each has one listener here: adding one to a signal
 * looks through all that it has, so that tens of thousands would take half a minute.
 */

interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const signals = new WeakMap<AbortSignal, Waiting>();

/** Calls back once when the signal is aborted from now on; the result takes it back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const waiting = signals.get(signal) ?? listenTo(signal);
  waiting.callbacks.add(callback);
  return () => {
    if (!waiting.callbacks.delete(callback) || waiting.callbacks.size > 0) return;
    signal.removeEventListener("abort", waiting.listener);
    signals.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    signals.delete(signal);
    const all = [...callbacks];
    callbacks.clear();
    for (const callback of all) callback();
  };
  signal.addEventListener("abort", listener, { once: true });
  const waiting = { callbacks, listener };
  signals.set(signal, waiting);
  return waiting;
}
