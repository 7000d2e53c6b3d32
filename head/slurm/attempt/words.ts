/** Slurm's words for why a job waits, for people; and those that no waiting mends. */

/** Reasons that end a job which Slurm itself would keep for ever. */
const HOPELESS: Readonly<Record<string, string>> = {
  DependencyNeverSatisfied: "its dependency can never be satisfied",
  InvalidAccount: "its account isn't valid",
  InvalidQOS: "its quality of service isn't valid",
  AccountNotAllowed: "its account may not use this partition",
  QOSNotAllowed: "its quality of service may not use this partition",
};

const WAITS: Readonly<Record<string, string>> = {
  JobHeldUser: "held, until it is released",
  JobHeldAdmin: "an administrator holds it",
  Resources: "for free nodes",
  Priority: "jobs of higher priority come first",
  Dependency: "for the job that it depends on",
  BeginTime: "for its time to begin",
  Licenses: "for a licence",
  NodeDown: "a node that it needs is down",
  PartitionDown: "its partition is down",
  PartitionInactive: "its partition is inactive",
  PartitionTimeLimit: "its time limit is over the partition's",
  PartitionNodeLimit: "it asks for more nodes than the partition gives",
  BadConstraints: "no node has what it asks for now",
  ReqNodeNotAvail: "a node that it needs isn't available",
  JobLaunchFailure: "it couldn't be launched: an administrator must release it",
  JobHoldMaxRequeue: "it was put back too often: an administrator must release it",
};

/** What a reason that no waiting mends means; undefined for all others. */
export function hopelessReason(reason: string): string | undefined {
  return HOPELESS[reason];
}

/** A reason to wait, for people: Slurm's own word stands behind what we make of it. */
export function waitsFor(reason: string): string {
  const words = HOPELESS[reason] ?? WAITS[reason] ?? limitOf(reason);
  return words === undefined ? reason : `${words} (${reason})`;
}

/** `QOSMaxJobsPerUserLimit`, `AssocGrpCPUMinutesLimit`, ... */
function limitOf(reason: string): string | undefined {
  if (/^(QOS|MaxJobsPerQOS)/.test(reason)) return "a limit of its quality of service";
  if (reason.startsWith("Assoc")) return "a limit of its account";
  return undefined;
}
