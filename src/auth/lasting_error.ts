// SPDX-License-Identifier: Apache-2.0
/** Says why there are no credentials, where that will not change until somebody changes a config or a permission. */
export class LastingError extends Error {}
