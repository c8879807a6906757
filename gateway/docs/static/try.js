// Swagger UI over this instance's own document. Calls are sent from here, so they need the key that its Authorize button takes.
"use strict";
const here = document.currentScript.src; // its folder is two steps below where this instance is shown
(async () => {
  const spec = await (await fetch(new URL("../../openapi.json", here))).json();
  // Examples of headers would be sent as they stand: one Idempotency-Key for every call, If-Match of a video that is not there.
  for (const parameter of Object.values(spec.components.parameters)) if (parameter.in === "header") delete parameter.example;
  SwaggerUIBundle({
    spec,
    dom_id: "#try",
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    tryItOutEnabled: true,
    requestSnippetsEnabled: true,
    validatorUrl: null,
    defaultModelsExpandDepth: -1,
  });
})();
