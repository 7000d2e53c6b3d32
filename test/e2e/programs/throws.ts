/** A program that can't be loaded. */
throw new Error("thrown while it was imported");
