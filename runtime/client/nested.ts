/** Whether user code of this process runs inside a cluster already. */

let inExecutor = false;

/** Said once by an executor at its start: its user code has a cluster already. */
export function markAsExecutor(): void {
  inExecutor = true;
}

/** Whether this process is an executor. */
export function isExecutor(): boolean {
  return inExecutor;
}
