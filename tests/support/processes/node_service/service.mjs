// A service in Node that has OpenTelemetry's SDK and nothing of ours:
//   node service.mjs http|proto ENDPOINT TOKEN REQUEST_ID
// Node resolves packages beside this file, so it runs where they were installed.
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [encoding, url, token, requestId] = process.argv.slice(2);
const Exporter = encoding === "proto" ? ProtobufExporter : JsonExporter;
const exporter = new Exporter({ url, headers: { Authorization: `Bearer ${token}` }, compression: "gzip" });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node-service", "deployment.environment.name": "staging" }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("node-service");
const prompt = { "gen_ai.prompt.name": `from-node-${encoding}`, "gen_ai.prompt.version": "1.0.0" };
const call = { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini" };

const answered = tracer.startSpan("chat gpt-4o-mini", { kind: SpanKind.CLIENT, attributes: { ...call, ...prompt } });
answered.setAttributes({
  "coalmine.request_id": requestId,
  "gen_ai.usage.input_tokens": 1000,
  "gen_ai.usage.output_tokens": 100,
  "gen_ai.response.finish_reasons": ["stop"],
});
answered.addEvent("gen_ai.evaluation.result", { "gen_ai.evaluation.name": "user_feedback", "gen_ai.evaluation.score.label": "up" });
answered.end();

const failed = tracer.startSpan("chat gpt-4o-mini", { attributes: { ...call, ...prompt, "error.type": "RateLimitError" } });
failed.setStatus({ code: SpanStatusCode.ERROR });
failed.end();
tracer.startSpan("GET /").end();
await provider.shutdown();
