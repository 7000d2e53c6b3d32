#!/usr/bin/env node
// The bin, in plain JavaScript that Node 20 reads: it goes on in Node 24, the one this package pins
// when the present one is older, or says what to run.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST = 24;

/** @param {string} name */
function moduleUrl(name) {
  const source = new URL(`${name}.ts`, import.meta.url);
  return existsSync(source) ? source : new URL(`${name}.js`, import.meta.url);
}

/**
 * In a checkout the sources are TypeScript: kept compiled, they load in a third of the time. The
 * environment hands the place on to every process of the cluster.
 * @param {URL} main
 */
function keepCompiled(main) {
  if (!main.pathname.endsWith(".ts")) return;
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const cache = resolve(root, process.env["LIGASE_CACHE"] || ".cache");
  process.env["NODE_COMPILE_CACHE"] ??= join(cache, "compiled");
  module.enableCompileCache(process.env["NODE_COMPILE_CACHE"]);
}

function pinnedNode() {
  const bin = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
  return existsSync(bin) ? bin : undefined;
}

/** @param {string} node */
function runIn(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // The terminal sends Ctrl-C to both; the child decides when this ends.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => {
      if (signal !== "SIGINT") child.kill(signal);
    });
  }
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (signal === "SIGKILL" ? 9 : 15);
  });
}

if (Number(process.versions.node.split(".")[0]) >= OLDEST) {
  // A supervisor lives as long as its cluster: it loads nothing of the other commands.
  const isSupervisor = process.argv[2] === "supervise";
  const main = moduleUrl(isSupervisor ? "../cluster/supervisor" : "./main");
  keepCompiled(main);
  const loaded = await import(main.href);
  if (isSupervisor) process.exitCode = await loaded.superviseCommand(process.argv.slice(3));
} else {
  const node = pinnedNode();
  if (node === undefined) {
    process.stderr.write("ligase needs Node 24: run `npm start` once in the checkout\n");
    process.exitCode = 4;
  } else runIn(node);
}
