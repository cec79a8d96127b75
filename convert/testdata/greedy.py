"""The greedy texts of llama.cpp, for llamacpp_test.go: greedy.py MODEL LORA PROMPTS TOKENS.

LORA is a GGUF adapter or "-", PROMPTS the JSON of lists of ids. Printed is the JSON of the texts: for each token its id, and how
far its logit is above the second best. A text ends after TOKENS tokens, or with the id -1 where llama.cpp ends it.
"""
import json
import sys

import llama_cpp
import numpy as np

model, lora, prompts, count = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
llm = llama_cpp.Llama(model_path=model, lora_path=None if lora == "-" else lora, n_ctx=256, n_threads=1, verbose=False)
texts = []
for prompt in prompts:
    llm.reset()
    llm.eval(prompt)
    text = []
    while len(text) < count:
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llm._ctx.ctx, -1), shape=(llm.n_vocab(),))
        second, best = np.partition(logits, -2)[-2:]
        token = int(logits.argmax())
        end = llama_cpp.llama_vocab_is_eog(llm._model.vocab, token)
        text.append({"token": -1 if end else token, "gap": float(best - second)})
        if end:
            break
        llm.eval([token])
    texts.append(text)
print(json.dumps(texts))
