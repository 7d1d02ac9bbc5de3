// SPDX-License-Identifier: Apache-2.0
/** A limit on one page or on all pages of one sandbox, by the name of its option. */
export type Limit =
  | "body_bytes"
  | "header_bytes"
  | "page_memory_bytes"
  | "blocks"
  | "samples"
  | "series"
  | "line_bytes"
  | "name_bytes"
  | "labels"
  | "label_value_bytes"
  | "bad_lines"
  | "new_bytes"
  | "new_layouts_per_minute"
  | "new_samples_per_minute";
