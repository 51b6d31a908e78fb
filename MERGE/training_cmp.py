import json
a, b = (json.load(open(f"/tmp/fbp/{n}.json")) for n in ("base", "new"))
for k in a:
    x, y = a[k], b.get(k)
    if not isinstance(x, dict):
        print(k, "EQUAL" if x == y else ("DIFF", x, y)); continue
    if y is None: print(k, "missing"); continue
    print(k, {key: "equal" if x[key] == y.get(key) else ("DIFF", x[key], y.get(key)) for key in x if key != "cut"}, "| resumed from base's checkpoint:", y.get("resumed") == x["model"] if "resumed" in y else "-", y.get("there"), "| base's model restores the same bytes:", y.get("old_model") == x.get("out", [None])[0] if "old_model" in y else "-", y.get("error", ""))
