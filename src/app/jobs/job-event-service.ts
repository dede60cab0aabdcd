import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type JobEventService,
  PublishJobEventsResponseSchema,
  type StreamJobEventsResponse,
  StreamJobEventsResponseSchema,
} from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { abortableIterable } from "../../lib/async-iterable.js";
import { requireCaller } from "./caller.js";
import type { JobNews } from "./follow-job.js";
import { JobError, toJobConnectError } from "./job-errors.js";
import type { Jobs } from "./jobs.js";

/** Creates the methods of `JobEventService`; as to whose jobs they see, they are like those of `JobService`. */
export function createJobEventService(jobs: Jobs): ServiceImpl<typeof JobEventService> {
  return {
    async publishJobEvents(requests, context) {
      try {
        const caller = requireCaller(context);
        let lastSequence = 0n;
        // Nothing else ends the wait for a worker's next message when the server shuts down: without it, every job under
        // way would hold up the shutdown for as long as it is granted.
        for await (const { lease, events, firstPosition } of abortableIterable(requests, context.signal)) {
          if (lease === undefined) throw new JobError("ERR_JOB_INVALID", "lease is required");
          lastSequence = await jobs.publish(caller, lease, { events, firstPosition });
        }
        return create(PublishJobEventsResponseSchema, { lastSequence });
      } catch (error) {
        throw toJobConnectError(error);
      }
    },
    async *streamJobEvents({ jobId, afterSequence }, context) {
      try {
        const news = jobs.follow(requireCaller(context), jobId, { afterSequence, signal: context.signal });
        for await (const each of news) yield toResponse(each);
      } catch (error) {
        throw toJobConnectError(error);
      }
    },
  };
}

function toResponse(news: JobNews): StreamJobEventsResponse {
  return create(StreamJobEventsResponseSchema, {
    item: "event" in news ? { case: "event", value: news.event } : { case: "endedJob", value: news.endedJob },
  });
}
