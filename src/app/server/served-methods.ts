import type { DescMethod } from "@bufbuild/protobuf";
import { file_latchkey_credentials_v1_credentials } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { file_latchkey_jobs_v1_jobs } from "#gen/latchkey/jobs/v1/jobs_pb.js";

/** The methods that the job service serves: all of its `.proto` files. */
export const SERVED_METHODS: readonly DescMethod[] = [
  file_latchkey_jobs_v1_jobs,
  file_latchkey_credentials_v1_credentials,
].flatMap(({ services }) => services.flatMap(({ methods }) => methods));
