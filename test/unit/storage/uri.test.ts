/** Names of storage: one grammar, one builder. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { checkUri, isS3, joinUri, parseFolder, parseObject } from "../../../runtime/storage/uri.ts";

test("a name in S3 is a bucket and a key, meant literally", () => {
  expect(parseObject("s3://bucket/a/b c+d%41?e#f")).toEqual({
    bucket: "bucket",
    key: "a/b c+d%41?e#f",
  });
  expect(parseFolder("s3://my.bucket-1/a/")).toEqual({ bucket: "my.bucket-1", key: "a" });
  expect(parseFolder("s3://bucket")).toEqual({ bucket: "bucket", key: "" });
  expect(parseFolder("s3://bucket/")).toEqual({ bucket: "bucket", key: "" });
});

test.each([
  ...["s3://", "s3:///key", "s3://bucket", "s3://bucket/", "s3://bucket/a/", "s3://bucket//a"],
  ...[
    "s3://bucket/a//b",
    "s3://bucket/../a",
    "s3://bucket/a/..",
    "s3://bucket/./a",
    "S3://bucket/a",
  ],
  ...["s3://bucket/a%2fb", "s3://bucket/%2E%2E/b", "s3://bucket/a%5Cb", "s3://bucket/a\nb"],
  ...["s3://bucket/a\u0085b", "s3://bucket/\ud800", "s3://Bucket/a", "s3://bu/a", "s3://-ab/a"],
  ...["s3://a..b/a", "s3://10.0.0.1/a", "s3://user:pw@bucket/a", "s3://bucket:80/a", "/s3/a", ""],
  ...["https://bucket/a", `s3://bucket/${"k".repeat(1_025)}`, `s3://bucket/${"ü".repeat(513)}`],
])("%j is refused as an object", (uri) => {
  expect(() => parseObject(uri)).toThrow(SystemError);
});

test("what is built by parts is taken apart into the same", () => {
  const part = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    .filter((text) => !/[/\p{Cc}%]/u.test(text) && text !== "." && text !== "..");
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
      const uri = joinUri("s3://bucket/base/", ...parts);
      expect(parseObject(uri)).toEqual({ bucket: "bucket", key: ["base", ...parts].join("/") });
      expect(joinUri("/base/folder", ...parts)).toBe(`/base/folder/${parts.join("/")}`);
    }),
  );
});

test("no part leads out of its folder, in any storage", () => {
  for (const base of ["/a/b", "s3://bucket/a/b"]) {
    for (const name of ["..", "../c", "c/../../d", "/c", "", "c//d", "c/."]) {
      expect(() => joinUri(base, name), `${base} + ${name}`).toThrow(SystemError);
    }
    expect(joinUri(base, "c/d", "e")).toBe(`${base}/c/d/e`);
  }
});

test("a name is told by its scheme, and refused without one unless it is absolute", () => {
  expect(isS3("s3://bucket/a")).toBe(true);
  expect(isS3("/s3://bucket/a")).toBe(false);
  expect(() => checkUri("/a/b")).not.toThrow();
  expect(() => checkUri("s3://bucket/a/b")).not.toThrow();
  for (const uri of ["a/b", "file:///a", "s3://b", "/a\0b"]) {
    expect(() => checkUri(uri), uri).toThrow(SystemError);
  }
});

test("a refused name steers no terminal", () => {
  try {
    parseObject("s3://bucket/a\u001b[2Jb");
    expect.unreachable();
  } catch (thrown) {
    expect((thrown as SystemError).message).not.toMatch(/\p{Cc}/u);
  }
});
