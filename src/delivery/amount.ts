// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { size } from "../options/values.ts";

/** An amount as it is written: a number, whose unit the sizer says, or a text with a unit of bytes. */
export type Amount = number | string;

/** The schema of an amount of at least `min`. */
export const amount = (min: number): z.ZodType<Amount, Amount> =>
  z
    .union([z.int().min(min, { error: "must be positive" }), z.string()], {
      error: 'must be a whole number, or a size such as "64MiB"',
    })
    .refine((input) => typeof input === "number" || size().safeParse(input).success, {
      error: 'must be a whole number, or a size such as "64MiB"',
    });

/** The number of an amount: bytes if it has a unit. */
export const parseAmount = (input: Amount): number => size({ minBytes: 0 }).parse(input);
