package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"
	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/build"
)

// names turns names of the Hub into paths. It is the one place where a path that a user gives may be a name: the flags
// with a tag `hub`, and the paths in a recipe. A file or folder that is there is always meant.
type names struct {
	g     *globals
	paths map[string]string // what was resolved, by kind and name
	typed map[string]string // the names, by path
}

// choices are the files that the kinds of names stand for.
var choices = map[string]hub.Choice{"model": hub.ModelFiles, "adapter": hub.AdapterFiles, "tokenizer": hub.TokenizerFiles, "any": hub.ModelOrAdapterFiles}

// flags replaces the names in a verb's flags and arguments.
func (n *names) flags(c *kong.Context) error {
	values := c.Selected().Positional
	for _, f := range c.Flags() {
		values = append(values, f.Value)
	}
	for _, v := range values {
		kind := v.Tag.Get("hub")
		if kind == "" {
			continue
		}
		targets := []reflect.Value{v.Target}
		if v.IsSlice() {
			targets = nil
			for i := range v.Target.Len() {
				targets = append(targets, v.Target.Index(i))
			}
		}
		for _, t := range targets {
			path, err := n.resolve(kind, t.String())
			if err != nil {
				return fmt.Errorf("%s: %w", label(v), err)
			}
			t.SetString(path)
		}
	}
	return nil
}

// label is how messages name a flag or an argument.
func label(v *kong.Value) string {
	if v.Flag != nil {
		return "--" + v.Name
	}
	return v.Name
}

// recipes replaces the names in recipes.
func (n *names) recipes(runs []finetune.Recipe) error {
	for i := range runs {
		err := runs[i].EachPath(func(kind, name string) (string, error) { return n.resolve(kind, name) })
		if err != nil {
			return err
		}
	}
	return nil
}

// taskData replaces the names in data ("[NAME=]PATH") and settings ("[NAME.]KEY=VALUE") of tasks.
func (n *names) taskData(tasks, data, set []string) error {
	for i, d := range data {
		task, path, named := strings.Cut(d, "=")
		if named = named && slices.Contains(tasks, task); !named {
			path = d
		}
		path, err := n.resolve("data", path)
		if err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		if data[i] = path; named {
			data[i] = task + "=" + path
		}
	}
	for i, s := range set {
		key, path, _ := strings.Cut(s, "=")
		if !slices.Contains([]string{"data", "eval_data", "test_data"}, key[strings.LastIndex(key, ".")+1:]) {
			continue
		}
		path, err := n.resolve("data", path)
		if err != nil {
			return fmt.Errorf("--set %s: %w", key, err)
		}
		set[i] = key + "=" + path
	}
	return nil
}

// resolve returns the path that a name stands for: itself, unless it is org/name and nothing of that name is there.
func (n *names) resolve(kind, name string) (string, error) {
	r, isName := parseName(kind, name)
	if !isName {
		return name, nil
	}
	if _, err := os.Lstat(name); err == nil {
		n.g.Log.Info().Str("name", name).Msg("the local one is used, not the Hub's of that name")
		return name, nil
	}
	if path, ok := n.paths[kind+" "+name]; ok {
		return path, nil
	}
	path, err := n.download(kind, name, r)
	if err != nil {
		err = advise(err, "it is named as a model (--model)", "it is named as data (--data)")
		return "", fmt.Errorf("there is no file or folder %s here, and on the Hub: %w", name, err)
	}
	if n.paths == nil {
		n.paths, n.typed = map[string]string{}, map[string]string{}
	}
	n.paths[kind+" "+name], n.typed[path] = path, name
	return path, nil
}

// dataFile matches names that are meant as files, since they end as data do.
var dataFile = regexp.MustCompile(`(?i)(\.(jsonl|ndjson|json|csv|tsv|txt|text|md|conll|parquet))?\.(jsonl|ndjson|json|csv|tsv|txt|text|md|conll|parquet|gz|zst)$`)

// parseName reads a name of the Hub. It has a slash: a name without one is taken for a file or folder that is missing.
func parseName(kind, name string) (d hub.Data, ok bool) {
	var err error
	if kind == "data" {
		d, err = hub.ParseData(name)
	} else {
		d.Repo, err = hub.Parse(name)
	}
	return d, err == nil && strings.Contains(d.ID, "/") && !dataFile.MatchString(name)
}

// download brings what a name stands for into the cache.
func (n *names) download(kind, name string, r hub.Data) (string, error) {
	client, done := n.g.hub("downloading", name)
	defer done()
	if kind == "data" {
		snap, err := client.Data(n.g.Ctx, name)
		if err != nil {
			return "", err
		}
		return snap.Path(filepath.ToSlash(filepath.Dir(snap.Files[0].Name))), nil
	}
	snap, err := client.Download(n.g.Ctx, r.Repo, choices[kind])
	if err != nil {
		return "", err
	}
	return snap.Dir, nil
}

// advise adds to an error of the Hub what to do. ofModel and ofDataset are for names of a model where a data set is wanted, and the
// reverse.
func advise(err error, ofModel, ofDataset string) error {
	var other *hub.OtherTypeError
	var raw *hub.NotConvertedError
	switch {
	case errors.As(err, &other) && other.Type == hub.Model:
		return fmt.Errorf("%w; %s", err, ofModel)
	case errors.As(err, &other):
		return fmt.Errorf("%w; %s", err, ofDataset)
	case errors.As(err, &raw):
		kinds := map[string]int{}
		for _, f := range raw.Files {
			if ending := dataFile.FindString(f.Name); ending != ".md" {
				kinds[ending]++
			}
		}
		delete(kinds, "")
		if len(kinds) == 0 {
			return err
		}
		most := slices.MaxFunc(slices.Sorted(maps.Keys(kinds)), func(a, b string) int { return kinds[a] - kinds[b] })
		return fmt.Errorf("%w: finetune hub download %s --dataset --include %q prints their folder", err, raw.Repo, "*"+most)
	}
	return err
}

// base returns the model that an adapter's config names: the one that is on this machine, or else the Hub's.
func (n *names) base(adapterDir string) (string, error) {
	found, err := infer.BaseModel(adapterDir)
	if err == nil {
		return found, nil
	}
	method, e := adapter.ReadConfig(adapterDir)
	if e != nil {
		return "", err
	}
	name := method.Settings().BaseModel
	if _, isName := parseName("model", name); !isName {
		return "", err
	}
	if found, e = n.resolve("model", name); e != nil {
		return "", fmt.Errorf("%s is for the model %s: %w; name its folder with --model", adapterDir, name, e)
	}
	return found, nil
}

// namedByAdapters gives runs that go on from an adapter, and name no model, the one that the adapter names.
func (n *names) namedByAdapters(runs []finetune.Recipe) (err error) {
	for i := range runs {
		if c := &runs[i].Config; c.Method.Adapter != "" && c.Model.Path == "" && c.Model.Config.Empty() {
			if c.Model.Path, err = n.base(c.Method.Adapter); err != nil {
				return err
			}
		}
	}
	return nil
}

// asTyped returns the name that a path was resolved from, or else the path.
func (n *names) asTyped(path string) string {
	if name, ok := n.typed[path]; ok {
		return name
	}
	return path
}

// inMessage returns a text with the names that were given in the place of the paths that they stand for.
func (n *names) inMessage(text string) string {
	paths := slices.SortedFunc(maps.Keys(n.typed), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may begin another
	for _, path := range paths {
		text = strings.ReplaceAll(text, path, n.typed[path])
	}
	return text
}

// named is an error whose message is that of inMessage.
type named struct {
	error
	names *names
}

func (e named) Error() string { return e.names.inMessage(e.error.Error()) }

func (e named) Unwrap() error { return e.error }

// hub returns a client of the Hub that shows what it does with name: as a bar on a terminal, and else in the log. done
// ends the display.
func (g *globals) hub(doing, name string) (client *hub.Client, done func()) {
	t := &transfer{g: g, doing: doing, name: name}
	return &hub.Client{UserAgent: "spagotune/" + build.This(version).Version, Progress: t.progress, Warn: func(m string) { g.Log.Warn().Msg(m) }}, t.end
}

// transfer is the display of a download, an upload or a verification.
type transfer struct {
	g           *globals
	doing, name string
	bar         *progressbar.ProgressBar
	began, next time.Time // next is when the log gets its next line
	done, total int64
}

func (t *transfer) progress(done, total int64) {
	now := time.Now()
	if t.began.IsZero() {
		t.began, t.next = now, now.Add(time.Second)
	}
	t.done, t.total = done, total
	switch {
	case t.g.terminal():
		if t.bar == nil {
			t.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(t.g.Stderr), progressbar.OptionSetWidth(20), progressbar.OptionShowBytes(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetDescription(t.doing+" "+t.name), progressbar.OptionClearOnFinish())
		}
		_ = t.bar.Set64(done) // it is only a display
	case now.After(t.next):
		t.next = now.Add(10 * time.Second)
		t.event(t.g.Log.Info()).Msg(t.doing)
	}
}

func (t *transfer) event(e *zerolog.Event) *zerolog.Event {
	return e.Str("name", t.name).Str("done", size1000(t.done)).Str("of", size1000(t.total))
}

func (t *transfer) end() {
	if t.bar != nil {
		_ = t.bar.Clear()
	}
	switch {
	case t.total == 0:
	case t.g.Ctx.Err() != nil:
		t.event(t.g.Log.Warn()).Msg(t.doing + " was interrupted; the same command goes on from there")
	case t.done == t.total:
		t.g.Log.Info().Str("name", t.name).Str("size", size1000(t.total)).Stringer("time", time.Since(t.began).Round(time.Millisecond)).Msg(t.doing + " is done")
	}
}

// size1000 formats a number of bytes as the Hub does, in powers of 1000.
func size1000(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }
