/**
 * A source of sequences with quality control over it: planning decides for each sample, shards
 * obey, the seal merges. Without `qc` in its options it is the source itself.
 */
import type { Source } from "../../../runtime/dataset/types.ts";
import { mergeQc } from "../seal/merge.ts";
import { askedOf } from "./decisions.ts";
import { decideInputs } from "./planning.ts";
import { QcReader } from "./reader.ts";

/** The same source by name; its options may hold `qc` and `mates` beside its own. */
export function withQc(inner: Source): Source {
  return {
    ...inner,
    identify: async (options) => {
      askedOf(options);
      return inner.identify(options);
    },
    plan: async (options, inputs, policy) => {
      const plan = await inner.plan(options, inputs, policy);
      const asked = askedOf(options);
      if (asked.qc === null && asked.mates === "fragment") return plan;
      const decided = await decideInputs(asked, inputs, plan, () => inner.open(options));
      const withDecisions = plan.inputs.map((planned, input) => {
        return { ...planned, decisions: decided[input] ?? plan.decisions };
      });
      return { ...plan, inputs: withDecisions };
    },
    open: async (options, stateFolder) => new QcReader(await inner.open(options, stateFolder)),
    merge: mergeQc,
  };
}
