#!/usr/bin/env python3
"""Checks the manifests in deploy/ against published schemas, where no field may be unknown:

    pip install kubernetes-validate
    scripts/check_manifests.py CRD.yaml ...

kubernetes-validate brings Kubernetes' own schemas. The CRDs are kubeflow.org_mpijobs.yaml of kubeflow/mpi-operator (manifests/base), and
trainer.kubeflow.org_clustertrainingruntimes.yaml and trainer.kubeflow.org_trainjobs.yaml of kubeflow/trainer (manifests/base/crds).
"""
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


def strict(schema):
    """The schema of a CRD without fields that it does not name."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: strict(v) for k, v in schema.items()}
    if "properties" in out and isinstance(out["properties"], dict) and out.get("type") == "object":
        free = out.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in out
        if not free:
            out["additionalProperties"] = False
    if out.get("x-kubernetes-int-or-string"):
        out = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    return out


def crd_schemas(paths):
    """The schemas of CRDs by apiVersion and kind."""
    found = {}
    for path in paths:
        for crd in yaml.safe_load_all(pathlib.Path(path).read_text()):
            for version in crd["spec"]["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                found[crd["spec"]["group"] + "/" + version["name"], crd["spec"]["names"]["kind"]] = schema
    return found


def main():
    crds, wrong = crd_schemas(sys.argv[1:]), 0
    deploy = pathlib.Path(__file__).resolve().parent.parent / "deploy"
    for path in sorted(deploy.glob("*.yaml")):
        for doc in yaml.safe_load_all(path.read_text()):
            kind = doc["apiVersion"], doc["kind"]
            try:
                if kind in crds:
                    jsonschema.Draft7Validator(crds[kind]).validate(doc)
                    by = "its CRD"
                else:
                    by = "Kubernetes " + str(kubernetes_validate.validate(doc, kubernetes_validate.latest_version(), strict=True))
                print(f"{path.name}: {' '.join(kind)}: valid by {by}")
            except Exception as e:  # of several libraries
                wrong += 1
                print(f"{path.name}: {' '.join(kind)}: {str(e).splitlines()[0]}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
