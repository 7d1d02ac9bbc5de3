// SPDX-License-Identifier: Apache-2.0
/** Why there are no credentials, where that stays so until somebody changes a config or a permission. */
export class LastingError extends Error {}
