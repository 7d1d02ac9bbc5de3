// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { size } from "../options/values.ts";

/** An amount as the config has it: a number, whose unit is the option `sizer`, or a text in bytes such as "64MiB". */
export type Amount = number | string;

/** The schema of an amount. `min` is the least number; it does not apply to texts. */
export const amount = (min: number): z.ZodType<Amount, Amount> =>
  z
    .union([z.int().min(min, { error: "must be positive" }), z.string()], {
      error: 'must be a whole number, or a size such as "64MiB"',
    })
    .refine((input) => typeof input === "number" || size().safeParse(input).success, {
      error: 'must be a whole number, or a size such as "64MiB"',
    });

/** Returns an amount as a number: in bytes for a text with a unit, else the number itself. */
export const parseAmount = (input: Amount): number => size({ minBytes: 0 }).parse(input);
