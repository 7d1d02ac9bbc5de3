// SPDX-License-Identifier: Apache-2.0
/** Says why an authenticator has no credentials, and will have none until somebody changes a config or a permission. */
export class LastingError extends Error {}
