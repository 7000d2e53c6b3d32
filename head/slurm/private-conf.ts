/**
 * The configuration of a private Slurm: one machine, one user, everything in one folder. Scheduler
 * settings take submit -> running from 3 s to about 1 s (measured); nothing in it needs root,
 * control groups or systemd.
 */
import { join } from "node:path";
import { LOOPBACK, type LoopbackNaming } from "./loopback.ts";

export interface ConfSpec {
  /** Absolute; holds no white space, comma or `%`. */
  readonly folder: string;
  readonly clusterName: string;
  readonly user: string;
  readonly naming: LoopbackNaming;
  /** Cores of each node; config_overrides makes Slurm believe it. */
  readonly cpus: number;
  readonly memoryMegabytes: number;
  readonly controllerPort: number;
  /** One port for each node. */
  readonly nodePorts: readonly number[];
}

/** Name of node i, from 0. */
export function nodeName(index: number): string {
  return `n${index + 1}`;
}

/** Where munged listens. */
export function mungeSocket(folder: string): string {
  return join(folder, "munge", "sock");
}

/** The text of slurm.conf. */
export function slurmConf(spec: ConfSpec): string {
  const { folder, naming } = spec;
  const lines = [
    `ClusterName=${spec.clusterName}`,
    `SlurmctldHost=${naming.host}(${LOOPBACK})`,
    `SlurmctldPort=${spec.controllerPort}`,
    `SlurmUser=${spec.user}`,
    `SlurmdUser=${spec.user}`,
    "AuthType=auth/munge",
    `AuthInfo=socket=${mungeSocket(folder)}`,
    "CredType=cred/munge",
    ...(naming.loopbackOnly ? ["CommunicationParameters=NoCtldInAddrAny,NoInAddrAny"] : []),
    `StateSaveLocation=${folder}/state`,
    `SlurmdSpoolDir=${folder}/spool/%n`,
    // The pmix plugin makes a folder for each step here; two nodes of one host must not share it.
    `TmpFS=${folder}/tmp/%n`,
    `SlurmctldPidFile=${folder}/run/slurmctld.pid`,
    `SlurmdPidFile=${folder}/run/slurmd-%n.pid`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd-%n.log`,
    ...FIXED,
    ...spec.nodePorts.map((port, index) => nodeLine(spec, nodeName(index), port)),
    "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
  ];
  return `${lines.join("\n")}\n`;
}

function nodeLine(spec: ConfSpec, name: string, port: number): string {
  const { naming, cpus, memoryMegabytes } = spec;
  const place = `NodeHostname=${naming.host} NodeAddr=${LOOPBACK} Port=${port}`;
  const shape = `CPUs=${cpus} Sockets=1 CoresPerSocket=${cpus} ThreadsPerCore=1`;
  return `NodeName=${name} ${place} ${shape} RealMemory=${memoryMegabytes} State=UNKNOWN`;
}

const FIXED: readonly string[] = [
  "ProctrackType=proctrack/linuxproc",
  "TaskPlugin=task/none",
  "JobAcctGatherType=jobacct_gather/none",
  "AccountingStorageType=accounting_storage/none",
  "JobCompType=jobcomp/none",
  "SelectType=select/cons_tres",
  "SelectTypeParameters=CR_Core",
  "SwitchType=switch/none",
  "MpiDefault=none",
  "MailProg=/bin/true",
  "RebootProgram=/bin/true",
  "ReturnToService=2",
  "SlurmdParameters=config_overrides",
  "PropagateResourceLimits=NONE",
  "SchedulerType=sched/backfill",
  "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1",
  // A job that can never run is refused at once instead of waiting for ever.
  "EnforcePartLimits=ALL",
  "MinJobAge=300",
  "KillWait=2",
  "InactiveLimit=0",
  "SlurmdTimeout=30",
  "MessageTimeout=10",
];
