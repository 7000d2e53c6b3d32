/** The private Slurm's configuration, and what keeps it on the loopback device. */
import { describe, expect, test } from "vitest";
import { connectionOf } from "../../../head/slurm/connection.ts";
import { loopbackNaming } from "../../../head/slurm/loopback.ts";
import { slurmConf } from "../../../head/slurm/private-conf.ts";
import { startPrivateSlurm } from "../../../head/slurm/private.ts";

const SPEC = {
  folder: "/run/lg",
  clusterName: "lg01234567",
  user: "ann",
  naming: { host: "vm", wrapper: [], loopbackOnly: true },
  cpus: 3,
  memoryMegabytes: 1000,
  controllerPort: 20001,
  nodePorts: [20002, 20003],
} as const;

describe("slurm.conf", () => {
  test("names the loopback address everywhere and listens on it alone", () => {
    const lines = slurmConf(SPEC).split("\n");
    expect(lines).toContain("SlurmctldHost=vm(127.0.0.1)");
    expect(lines).toContain("CommunicationParameters=NoCtldInAddrAny,NoInAddrAny");
    const shape =
      "CPUs=3 Sockets=1 CoresPerSocket=3 ThreadsPerCore=1 RealMemory=1000 State=UNKNOWN";
    const place = "NodeHostname=vm NodeAddr=127.0.0.1";
    expect(lines).toContain(`NodeName=n1 ${place} Port=20002 ${shape}`);
    expect(lines).toContain(`NodeName=n2 ${place} Port=20003 ${shape}`);
  });

  test("doesn't bind to the host's address when that isn't a loopback one", () => {
    const naming = { ...SPEC.naming, loopbackOnly: false };
    expect(slurmConf({ ...SPEC, naming })).not.toContain("InAddrAny");
  });
});

describe("the daemons' name and address", () => {
  test("are the host's own when it resolves to the loopback device", async () => {
    expect(await loopbackNaming("localhost")).toEqual({
      host: "localhost",
      wrapper: [],
      loopbackOnly: true,
    });
  });

  test.each([
    ["no-such-host.invalid", "no-such-host"],
    // A loopback address, but not the one from which slurmstepd calls back.
    ["127.0.1.1", "127"],
  ])("are localhost in a name space, or honestly not loopback only, for %s", async (name, host) => {
    const naming = await loopbackNaming(name);
    expect(naming.loopbackOnly).toBe(naming.wrapper.length > 0);
    expect(naming.host).toBe(naming.loopbackOnly ? "localhost" : host);
  });
});

describe("the environment of jobs", () => {
  const access = { confPath: "/run/lg/slurm.conf", clusterName: "lg01234567" };

  test("of a private Slurm is these variables and no others", () => {
    expect(connectionOf(access, "00ff", "/a:/b").jobEnvironment).toEqual({
      PATH: "/a:/b",
      LC_ALL: "C",
      TMPDIR: "/run/lg/tmp",
      LIGASE_MARK: "00ff",
      LIGASE_SLURM: "lg01234567",
    });
  });

  test("of the machine's own Slurm is the user's login environment", () => {
    const connection = connectionOf({ ...access, confPath: null }, "00ff");
    expect(connection).toEqual({ confPath: null, jobEnvironment: null });
  });
});

test.each(["relative", "/a b", "/a,b", "/a%j", `/${"x".repeat(60)}`])(
  "a private Slurm isn't started in the folder %j",
  async (folder) => {
    const started = startPrivateSlurm({ folder, cpus: 1, mark: "00ff" });
    await expect(started).rejects.toMatchObject({ code: "SLURM_START_FAILED" });
  },
);
