"""Checks Kubernetes manifests beyond their schemas: what each pod may do, and that names which refer to each other agree.

Usage: check_manifests.py FOLDER. Prints one line for each fault; exits with 1 where there is one.
"""

import pathlib
import sys

import yaml


def pod_of(document):
    """The pod specification within a workload, or None."""
    if document["kind"] in ("DaemonSet", "Deployment", "Job"):
        return document["spec"]["template"]["spec"]
    return None


def pod_faults(pod):
    """What the "restricted" pod security standard asks for, and a read-only root, where the pod lacks it."""
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot"):
        yield "securityContext.runAsNonRoot is not true"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "securityContext.seccompProfile.type is not RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a hostPath"
    for container in pod["containers"]:
        name, own = container["name"], container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"container {name}: allowPrivilegeEscalation is not false"
        if not own.get("readOnlyRootFilesystem"):
            yield f"container {name}: readOnlyRootFilesystem is not true"
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"container {name}: capabilities.drop is not [ALL]"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"container {name}: no memory limit"
        if not any(mount["mountPath"] == "/tmp" for mount in container.get("volumeMounts", [])):
            yield f"container {name}: the root is read-only and /tmp is not mounted"


def reference_faults(document, pod, known):
    """Volumes, config maps and claims that nothing defines; selectors that miss their own pods."""
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"mounts volume {mount['name']}, which the pod lacks"
    for volume in volumes.values():
        for field, key, kind in (("configMap", "name", "ConfigMap"), ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim")):
            if field in volume and (kind, volume[field][key]) not in known:
                yield f"{kind} {volume[field][key]} is not in this folder"
    selector = document["spec"].get("selector", {}).get("matchLabels", {})
    labels = document["spec"]["template"]["metadata"]["labels"]
    if not selector.items() <= labels.items():
        yield "spec.selector does not match the template's labels"


def main(folder):
    documents = [
        (path.name, document)
        for path in sorted(pathlib.Path(folder).glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document
    ]
    known = {(document["kind"], document.get("metadata", {}).get("name")) for _, document in documents}
    files = {name for name, _ in documents}
    faults = []
    for name, document in documents:
        pod = pod_of(document)
        if pod:
            faults += [f"{name}: {fault}" for fault in (*pod_faults(pod), *reference_faults(document, pod, known))]
        if document["kind"] == "Kustomization":
            faults += [f"{name}: {entry}: no such file" for entry in document["resources"] if entry not in files]
        elif document["kind"] != "Namespace" and document["metadata"].get("namespace") != "zomma":
            faults.append(f"{name}: metadata.namespace is not zomma")
    for fault in faults:
        print(fault, file=sys.stderr)
    if not documents:
        print(f"{folder}: no manifests", file=sys.stderr)
    return 1 if faults or not documents else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
