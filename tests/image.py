#!/usr/bin/python3
"""Makes an image of containers by hand: an OCI layout (OCI image specification, "Image Layout") of layers that are tars,
packed by gzip or zstd or not at all. What it says of them can be made wrong, as no tool would.

    image.py LAYOUT [KEY=JSON...] LAYER...      KEY: of the configuration's `config` (Env, User, ...), or architecture
    IMAGE_DIFF_ID: what the configuration says the last layer's digest is
"""
import gzip
import hashlib
import json
import os
import subprocess
import sys

MEDIA = "application/vnd.oci.image."


def uncompressed(data):
    if data[:2] == b"\x1f\x8b":
        try:
            return gzip.decompress(data)
        except EOFError:  # cut off: for those who want to see that found out
            return b""
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def main(layout, *arguments):
    os.makedirs(layout + "/blobs/sha256", exist_ok=True)
    config = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
              "os": "linux", "created": "2026-01-02T03:04:05Z", "config": {},
              "rootfs": {"type": "layers", "diff_ids": []}}
    layers = []

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{layout}/blobs/sha256/{digest}", "wb") as f:
            f.write(data)
        return {"mediaType": MEDIA + media, "digest": "sha256:" + digest, "size": len(data)}

    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.isalpha():
            if key == "architecture":
                config[key] = json.loads(value)
            else:
                config["config"][key] = json.loads(value)
            continue
        with open(argument, "rb") as f:
            data = f.read()
        packed = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}.get(data[:2], "")
        layers.append(blob(data, "layer.v1.tar" + packed))
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(uncompressed(data)).hexdigest())
    if "IMAGE_DIFF_ID" in os.environ:
        config["rootfs"]["diff_ids"][-1] = os.environ["IMAGE_DIFF_ID"]
    manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": layers}
    top = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    top["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    with open(layout + "/index.json", "w", encoding="utf-8") as f:
        json.dump({"schemaVersion": 2, "manifests": [top]}, f)
    with open(layout + "/oci-layout", "w", encoding="utf-8") as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')


main(*sys.argv[1:])
