"""Opens adapters in PEFT and compares what it computes: python peft_opens.py FOLDER

FOLDER has a folder for each model: base, and adapters whose config calls the model base. io.safetensors in an adapter's folder has input_ids,
labels for a target, and output, what is to come out: the logits, or the last hidden states of a model without a head. Adapters are opened as their task_type says, which
must find the base by its name; every tensor of the file must be used, and none be missing. Prints a line each, and exits 1 if anything is wrong.
"""
import os
import sys
import warnings

import peft
import torch
import transformers
from safetensors.torch import load_file

import peft_files

AUTO = {"CAUSAL_LM": peft.AutoPeftModelForCausalLM, "SEQ_2_SEQ_LM": peft.AutoPeftModelForSeq2SeqLM, "SEQ_CLS": peft.AutoPeftModelForSequenceClassification, "TOKEN_CLS": peft.AutoPeftModelForTokenClassification,
        "QUESTION_ANS": peft.AutoPeftModelForQuestionAnswering, "FEATURE_EXTRACTION": peft.AutoPeftModelForFeatureExtraction}
TOLERANCE = 1e-4  # of the largest output


def open_adapter(name):
    task = peft.PeftConfig.from_pretrained(name).task_type
    if task:
        return AUTO[task].from_pretrained(name)
    return peft.PeftModel.from_pretrained(transformers.AutoModelForMaskedLM.from_pretrained("base"), name)


unused = []  # the tensors of the last file that PEFT passes over
load = peft.peft_model.set_peft_model_state_dict


def loaded(*arguments, **how):
    result = load(*arguments, **how)
    unused[:] = result.unexpected_keys
    return result


peft.peft_model.set_peft_model_state_dict = loaded


def check(name):
    io = load_file(os.path.join(name, "io.safetensors"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = open_adapter(name).eval()
    problems = [str(w.message) for w in caught if "missing adapter keys" in str(w.message)] + ["unused " + k for k in unused]
    with torch.no_grad():
        got = peft_files.outputs(m, io)
    want = io["output"].reshape(got.shape)
    off = float((got - want).abs().max() / want.abs().max())
    if not off <= TOLERANCE:
        problems.append(f"the output is {off:.3g} of the largest value off")
    print("WRONG" if problems else "right", os.path.relpath(name, ".."), f"{off:.2g}", *problems[:3])
    return not problems


def main(folder):
    torch.set_num_threads(1)
    wrong = 0
    for model in sorted(os.listdir(folder)):
        os.chdir(os.path.join(folder, model))  # where "base" is found
        wrong += sum(not check(name) for name in sorted(os.listdir(".")) if name != "base")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main(sys.argv[1])
