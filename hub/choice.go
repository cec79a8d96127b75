package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Choice names the files of a repository that are wanted. files are all that it has, by name; read returns the content of a
// small one, which it downloads if need be.
type Choice func(files []File, read func(name string) ([]byte, error)) ([]string, error)

// All wants every file.
func All(files []File, _ func(string) ([]byte, error)) ([]string, error) { return names(files), nil }

func names(files []File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Name)
	}
	return out
}

// Names wants these very files.
func Names(names ...string) Choice {
	return func([]File, func(string) ([]byte, error)) ([]string, error) { return names, nil }
}

// Match wants the files that match one of the patterns and none of those that begin with !. In a pattern * and ? match
// slashes too, as for `hf download --include`; one that ends in a slash means the folder.
func Match(patterns ...string) Choice {
	return func(files []File, _ func(string) ([]byte, error)) ([]string, error) {
		var in, out []*regexp.Regexp
		for _, p := range patterns {
			p, not := strings.CutPrefix(p, "!")
			if not {
				out = append(out, glob(p))
			} else {
				in = append(in, glob(p))
			}
		}
		matches := func(name string, res []*regexp.Regexp) bool {
			return slices.ContainsFunc(res, func(re *regexp.Regexp) bool { return re.MatchString(name) })
		}
		var chosen []string
		for _, f := range files {
			if (len(in) == 0 || matches(f.Name, in)) && !matches(f.Name, out) {
				chosen = append(chosen, f.Name)
			}
		}
		if chosen == nil {
			return nil, fmt.Errorf("no file matches %s; there are %s", strings.Join(patterns, " "), some(names(files)))
		}
		return chosen, nil
	}
}

// glob is a pattern as a regular expression.
func glob(pattern string) *regexp.Regexp {
	if strings.HasSuffix(pattern, "/") {
		pattern += "*"
	}
	q := regexp.QuoteMeta(pattern)
	return regexp.MustCompile(`^(?s:` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(q) + `)$`)
}

// some is a few names for a message.
func some(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + fmt.Sprintf(" and %d more", len(names)-8)
	}
	return strings.Join(names, ", ")
}

// companions are the small files that go with weights: settings, tokenizers of every kind, chat templates, the modules of
// sentence embedders, what spagotune writes of a run, and the card, which names the licence.
var companions = regexp.MustCompile(`^((adapter_|generation_|sentence_\w+_|config_sentence_transformers\.?)?(config)?\.?json` +
	`|(special_)?\w*tokenizer\w*\.json|special_tokens_map\.json|added_tokens\.json|(\w+_)?vocab\.(json|txt)|merges\.txt|modules\.json` +
	`|host\.json|run\.json` +
	`|\w[\w.]*\.(model|spm|tiktoken)|tekken\.json|chat_template\.(jinja|json)|additional_chat_templates/[^/]+\.jinja|README\.md|\d+_\w+/config\.json)$`)

// ModelFiles wants what a model needs: its weights, as safetensors if there are any, all shards that their index names, and
// the small files beside them.
func ModelFiles(files []File, read func(string) ([]byte, error)) ([]string, error) {
	chosen, err := weights(files, read, "", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
	if errors.Is(err, errNoWeights) {
		if _, adapter := find(files, "adapter_config.json"); adapter {
			return nil, errors.New("an adapter, not a model; name its base as the model")
		}
		return nil, fmt.Errorf("no weights that can be read: want model.safetensors or pytorch_model.bin, whole or with an index; there are %s",
			some(names(files)))
	}
	if err != nil {
		return nil, err
	}
	for _, dir := range modules(files) {
		more, err := weights(files, read, dir, "model.safetensors", "pytorch_model.bin")
		if err != nil && !errors.Is(err, errNoWeights) {
			return nil, err
		}
		chosen = append(chosen, more...)
	}
	return withCompanions(files, chosen), nil
}

// AdapterFiles wants what an adapter needs: its weights, as safetensors if there are any, and the small files beside them.
func AdapterFiles(files []File, read func(string) ([]byte, error)) ([]string, error) {
	chosen, err := weights(files, read, "", "adapter_model.safetensors", "adapter_model.bin")
	if _, config := find(files, "adapter_config.json"); err != nil || !config {
		return nil, fmt.Errorf("not an adapter: want adapter_config.json, and adapter_model.safetensors or adapter_model.bin; there are %s",
			some(names(files)))
	}
	return withCompanions(files, chosen), nil
}

// ModelOrAdapterFiles wants what AdapterFiles or ModelFiles wants, by what the repository is.
func ModelOrAdapterFiles(files []File, read func(string) ([]byte, error)) ([]string, error) {
	if _, adapter := find(files, "adapter_config.json"); adapter {
		return AdapterFiles(files, read)
	}
	return ModelFiles(files, read)
}

// TokenizerFiles wants the small files that a model's folder has beside its weights.
func TokenizerFiles(files []File, _ func(string) ([]byte, error)) ([]string, error) {
	if chosen := withCompanions(files, nil); len(chosen) > 0 {
		return chosen, nil
	}
	return nil, fmt.Errorf("no tokenizer; there are %s", some(names(files)))
}

func withCompanions(files []File, chosen []string) []string {
	for _, f := range files {
		if companions.MatchString(f.Name) && !slices.Contains(chosen, f.Name) {
			chosen = append(chosen, f.Name)
		}
	}
	slices.Sort(chosen)
	return chosen
}

// modules are the folders of a sentence embedder, such as 2_Dense.
func modules(files []File) []string {
	dirs := map[string]bool{}
	for _, f := range files {
		if dir, file, _ := strings.Cut(f.Name, "/"); file == "config.json" && dir[0] >= '0' && dir[0] <= '9' {
			dirs[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs))
}

var errNoWeights = errors.New("no weights")

// weights is the first of the candidates in a folder that is there, an index with all that it names.
func weights(files []File, read func(string) ([]byte, error), dir string, candidates ...string) ([]string, error) {
	for _, c := range candidates {
		name := path.Join(dir, c)
		if _, there := find(files, name); !there {
			continue
		}
		if !strings.HasSuffix(c, ".index.json") {
			return []string{name}, nil
		}
		b, err := read(name)
		if err != nil {
			return nil, err
		}
		shards, err := parseIndex(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, shard := range shards {
			if _, there := find(files, shard); !there {
				return nil, fmt.Errorf("%s names a file that is not there: %s", name, shard)
			}
		}
		return append(shards, name), nil
	}
	return nil, errNoWeights
}

// parseIndex is the files that the index of sharded weights names.
func parseIndex(b []byte) ([]string, error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, err
	}
	shards := slices.Compact(slices.Sorted(maps.Values(index.WeightMap)))
	if len(shards) == 0 {
		return nil, errors.New("weight_map: names no file")
	}
	for _, shard := range shards {
		if !validName(shard) {
			return nil, fmt.Errorf("weight_map: %q is no name of a file that stays in its folder", shard)
		}
	}
	return shards, nil
}

// Parquet wants the files of one split of a data set as the Hub converts it: config/split/0000.parquet and so on. An empty
// split is train, or the only one. An empty config is the only one, or default. A config that there is not may be a split of
// that one.
func Parquet(config, split string) Choice {
	return func(files []File, _ func(string) ([]byte, error)) ([]string, error) {
		parts := map[string]map[string][]string{} // config, split: files
		for _, f := range files {
			p := strings.Split(f.Name, "/")
			if len(p) != 3 || path.Ext(p[2]) != ".parquet" {
				continue
			}
			name := strings.TrimPrefix(p[1], "partial-") // converted up to a size
			if parts[p[0]] == nil {
				parts[p[0]] = map[string][]string{}
			}
			parts[p[0]][name] = append(parts[p[0]][name], f.Name)
		}
		c, s := config, split
		if parts[c] == nil && s == "" {
			c, s = "", c
		}
		if c == "" {
			c = pick(slices.Collect(maps.Keys(parts)), "default")
		}
		if s == "" {
			s = pick(slices.Collect(maps.Keys(parts[c])), "train")
		}
		if chosen := parts[c][s]; chosen != nil {
			return chosen, nil
		}
		var there []string
		for c := range parts {
			for s := range parts[c] {
				there = append(there, c+"/"+s)
			}
		}
		slices.Sort(there)
		wanted := strings.Trim(config+"/"+split, "/")
		if wanted == "" {
			wanted = "one config and split after a colon"
		}
		return nil, fmt.Errorf("want %s; there are %s", wanted, some(there))
	}
}

// pick is the only name, or the usual one.
func pick(names []string, usual string) string {
	if len(names) == 1 {
		return names[0]
	}
	return usual
}
