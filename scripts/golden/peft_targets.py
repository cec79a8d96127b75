"""Writes the modules that PEFT adapts where target_modules is not given: python peft_targets.py GOLDEN/peft_targets.json
(made with PEFT 0.21). By peft_type and model_type there are target_modules and, for IA3, feedforward_modules."""
import json
import sys

from peft.utils import constants

TABLES = dict(
    LORA=constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
    ADALORA=constants.TRANSFORMERS_MODELS_TO_ADALORA_TARGET_MODULES_MAPPING,
    VERA=constants.TRANSFORMERS_MODELS_TO_VERA_TARGET_MODULES_MAPPING,
    IA3=constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
)
inside = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING

told = {
    kind: {t: dict(target_modules=m, **({"feedforward_modules": inside[t]} if kind == "IA3" else {})) for t, m in table.items()}
    for kind, table in TABLES.items()
}
with open(sys.argv[1], "w") as f:
    f.write("{\n" + ",\n".join(f'"{kind}": {json.dumps(table)}' for kind, table in told.items()) + "\n}\n")
