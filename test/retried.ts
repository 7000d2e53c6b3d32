/** Says which tests passed at their second try only, and what the first one said. */
import type { Reporter, TestCase } from "vitest/node";

export default class Retried implements Reporter {
  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky !== true) return;
    const why = test.result().errors?.[0]?.message ?? "no reason given";
    process.stdout.write(`RETRIED ${test.module.relativeModuleId} > ${test.fullName}: ${why}\n`);
  }
}
