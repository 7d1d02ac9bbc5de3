// SPDX-License-Identifier: Apache-2.0
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { z } from "zod";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import type { ExtensionFactory } from "../../component/factory.ts";
import { unsupported } from "../../options/values.ts";
import type { GivenScope } from "./scope.ts";
import { sigv4Authenticator } from "./signer.ts";

const schema: z.ZodType<GivenScope> = z
  .strictObject({
    region: z
      .string()
      .min(1)
      .optional()
      .describe("The region of the service; if left out, the endpoint's host tells it"),
    service: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The service that receives the requests, such as aps; if left out, the endpoint's host tells it",
      ),
    assume_role: unsupported(
      "write a profile with role_arn and source_profile into AWS's shared config file, and name it in AWS_PROFILE",
    ),
  })
  .transform(({ region, service }) => ({ region, service }));

/** Signs requests for AWS, with the credentials that AWS's tools find on this machine. */
export const factory: ExtensionFactory<GivenScope> = {
  stability: "beta",
  schema,
  roles: () => ["http_authenticator"],
  create(scope, settings) {
    const { region } = scope;
    const texts = new CredentialTexts({}, { settings });
    const credentials = defaultProvider(region === undefined ? {} : { clientConfig: { region } });
    const client = sigv4Authenticator({ scope, clock: settings.clock, credentials });
    return authenticatorExtension(settings, texts, { client });
  },
};
