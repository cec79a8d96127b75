package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/hub"
)

// hubCmd is the verb hub, with verbs of its own.
type hubCmd struct {
	Download hubDownloadCmd `cmd:"" help:"Download a model, an adapter or a data set into the cache, and print its folder."`
	Upload   hubUploadCmd   `cmd:"" help:"Upload the folder of an adapter, a model or a data set, with a model card."`
	LS       hubListCmd     `cmd:"" name:"ls" help:"List the files of a repository, or what the cache has."`
	Verify   hubVerifyCmd   `cmd:"" help:"Hold the files in the cache to their hashes. No network is used."`
	RM       hubRemoveCmd   `cmd:"" name:"rm" help:"Remove a repository, or one revision of it, from the cache."`
}

// Help returns notes and examples for --help.
func (hubCmd) Help() string {
	return `The cache and the token are those of Python's huggingface_hub, and so are the variables: HF_TOKEN, HF_HOME, HF_HUB_CACHE,
HF_ENDPOINT, HF_HUB_OFFLINE … (docs/hub.md). Names work without a download first, wherever a model, an adapter or data are named.

Examples:
  finetune hub download HuggingFaceTB/SmolLM2-135M-Instruct
  finetune hub download openai/gsm8k:main/train --dataset
  finetune hub upload run me/smollm2-math           an adapter, with a card made from the run
  finetune hub ls                                   what the cache has
  finetune hub verify HuggingFaceTB/SmolLM2-135M-Instruct
  finetune hub rm HuggingFaceTB/SmolLM2-135M-Instruct`
}

// repoArg is a repository on the command line.
type repoArg struct {
	Name    string `arg:"" help:"org/name or org/name@revision."`
	Dataset bool   `help:"The name is a data set's."`
}

func (a repoArg) repo() (hub.Repo, error) {
	r, err := hub.Parse(a.Name)
	if a.Dataset {
		r.Type = hub.Dataset
	}
	return r, err
}

// adviseVerb is advise for the verbs of hub.
func adviseVerb(err error) error { return advise(err, "leave out --dataset", "add --dataset") }

// hubDownloadCmd is the verb hub download.
type hubDownloadCmd struct {
	repoArg
	Include []string `sep:"none" placeholder:"PATTERN" help:"Files to download, such as *.json; may be repeated. Default: what a model or an adapter needs."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Help returns examples for --help.
func (hubDownloadCmd) Help() string {
	return `Of a data set come the Parquet files that the Hub has converted, of org/name[:config[/split]]; with --include its own files.

Examples:
  finetune hub download HuggingFaceTB/SmolLM2-135M-Instruct@main
  finetune hub download openai/gsm8k:main/train --dataset
  finetune hub download openai/gsm8k --dataset --include "*.md"`
}

// Run downloads and prints the folder.
func (c *hubDownloadCmd) Run(g *globals) error {
	client, done := g.hub("downloading", c.Name)
	snap, err := c.download(g, client)
	done()
	if err != nil {
		return adviseVerb(err)
	}
	if c.JSON {
		return g.print(snap)
	}
	g.printf("%s\n", snap.Dir)
	return nil
}

func (c *hubDownloadCmd) download(g *globals, client *hub.Client) (*hub.Snapshot, error) {
	if c.Dataset && len(c.Include) == 0 {
		d, err := hub.ParseData(c.Name)
		if err != nil {
			return nil, err
		}
		return client.DownloadData(g.Ctx, d)
	}
	r, err := c.repo()
	if err != nil {
		return nil, err
	}
	choice := hub.Choice(hub.ModelOrAdapterFiles)
	if len(c.Include) > 0 {
		choice = hub.Match(c.Include...)
	}
	return client.Download(g.Ctx, r, choice)
}

// hubUploadCmd is the verb hub upload.
type hubUploadCmd struct {
	Folder  string `arg:"" help:"Folder of a run, an adapter, a model or a data set."`
	Name    string `arg:"" help:"org/name, which is made if it is not there."`
	Dataset bool   `help:"The folder is a data set."`
	Private bool   `help:"If the repository has to be made, make it private."`
	Message string `placeholder:"TEXT" help:"Title of the commit."`
	DryRun  bool   `help:"Only print the card and the files."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Help returns notes and examples for --help.
func (hubUploadCmd) Help() string {
	return `With a folder that has no README.md goes a model card, made from the run; --dry-run prints it. Checkpoints and other states of
a run are left out. An upload needs a token that may write: in HF_TOKEN, or where hf auth login puts it.

Examples:
  finetune hub upload run me/smollm2-math --dry-run
  finetune hub upload run me/smollm2-math --private
  finetune hub upload merged me/smollm2-math-merged`
}

// Run uploads and prints the address of the commit.
func (c *hubUploadCmd) Run(g *globals) error {
	r, err := hub.Parse(c.Name)
	if err != nil {
		return err
	}
	o := hub.UploadOptions{Message: c.Message, Private: c.Private, Skip: c.skip}
	if c.Dataset {
		r.Type = hub.Dataset
	} else if o.Extra, err = c.card(); err != nil {
		return err
	}
	if c.DryRun {
		return c.list(g, o.Extra)
	}
	client, done := g.hub("uploading", c.Name)
	commit, err := client.Upload(g.Ctx, r, c.Folder, o)
	done()
	switch {
	case err != nil:
		return err
	case c.JSON:
		return g.print(commit)
	case commit.ID == "":
		g.printf("%s has all of it already\n", commit.URL)
	default:
		g.printf("%s\n", commit.URL)
	}
	return nil
}

// card returns the model card as a file, unless the folder has one.
func (c *hubUploadCmd) card() (map[string][]byte, error) {
	if _, err := os.Stat(filepath.Join(c.Folder, "README.md")); err == nil {
		return nil, nil
	}
	card, err := finetune.Card(c.Folder, c.Name)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"README.md": []byte(card)}, nil
}

// skip leaves out what only this machine needs: checkpoints, the best weights so far, which are the result too, the recipe
// with paths of this machine (run.json has it without them), and hidden files and folders.
func (c *hubUploadCmd) skip(name string) bool {
	first, _, deeper := strings.Cut(name, "/")
	return !c.Dataset && deeper && (strings.HasPrefix(first, "checkpoint-") || first == "best") || !c.Dataset && name == finetune.RecipeFile || strings.Contains("/"+name, "/.")
}

// list prints the card and the files that would be uploaded.
func (c *hubUploadCmd) list(g *globals, extra map[string][]byte) error {
	for name, content := range extra {
		g.printf("%s\n%10s  %s\n", content, size1000(int64(len(content))), name)
	}
	folder, err := filepath.EvalSymlinks(c.Folder)
	if err != nil {
		return err
	}
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || c.skip(filepath.ToSlash(name)) {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			g.printf("%10s  %s\n", size1000(info.Size()), filepath.ToSlash(name))
		}
		return err
	})
}

// hubListCmd is the verb hub ls.
type hubListCmd struct {
	Name    string `arg:"" optional:"" help:"org/name or org/name@revision. Without a name, the cache is listed."`
	Dataset bool   `help:"The name is a data set's; without a name, only data sets are listed."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Help returns examples for --help.
func (hubListCmd) Help() string {
	return `Examples:
  finetune hub ls
  finetune hub ls HuggingFaceTB/SmolLM2-135M-Instruct
  finetune hub ls openai/gsm8k --dataset --json`
}

// Run lists the files of a repository, or the cache.
func (c *hubListCmd) Run(g *globals) error {
	client, done := g.hub("listing", c.Name)
	defer done()
	if c.Name == "" {
		return c.cache(g, client)
	}
	r, err := repoArg{c.Name, c.Dataset}.repo()
	if err != nil {
		return err
	}
	files, err := client.List(g.Ctx, r)
	if err != nil {
		return adviseVerb(err)
	}
	if c.JSON {
		return g.print(files)
	}
	for _, f := range files {
		g.printf("%10s  %s\n", size1000(f.Size), f.Name)
	}
	return nil
}

func (c *hubListCmd) cache(g *globals, client *hub.Client) error {
	repos, err := client.Cached()
	if err != nil {
		return err
	}
	if c.Dataset {
		repos = slices.DeleteFunc(repos, func(r hub.CachedRepo) bool { return r.Repo.Type != hub.Dataset })
	}
	if c.JSON {
		return g.print(repos)
	}
	switch {
	case len(repos) == 0 && c.Dataset:
		g.printf("the cache has no data set\n")
	case len(repos) == 0:
		g.printf("the cache is empty\n")
	}
	for _, r := range repos {
		g.printf("%10s  %-8s %-45s %s  %s\n", size1000(r.Size), r.Repo.Type, r.Repo, r.Modified.Format("2006-01-02 15:04"), revisions(r))
	}
	return nil
}

// revisions lists what the cache has of a repository: revisions by name, and commits that have none.
func revisions(r hub.CachedRepo) string {
	var refs []string
	nameless := slices.Clone(r.Commits)
	for name, commit := range r.Refs {
		refs = append(refs, name+" = "+commit[:8])
		nameless = slices.DeleteFunc(nameless, func(c string) bool { return c == commit })
	}
	slices.Sort(refs)
	for _, commit := range nameless {
		refs = append(refs, commit[:8])
	}
	if len(r.Commits) == 0 {
		refs = append(refs, "unfinished")
	}
	return strings.Join(refs, ", ")
}

// hubVerifyCmd is the verb hub verify.
type hubVerifyCmd struct {
	repoArg
	JSON bool `name:"json" help:"Print JSON."`
}

// Help returns examples for --help.
func (hubVerifyCmd) Help() string {
	return `Exits with 1 if a file is not what its repository says. Remove it with hub rm, and download it again.

Examples:
  finetune hub verify HuggingFaceTB/SmolLM2-135M-Instruct
  finetune hub verify openai/gsm8k@refs/convert/parquet --dataset`
}

// Run hashes the files and prints what is right.
func (c *hubVerifyCmd) Run(g *globals) error {
	r, err := c.repo()
	if err != nil {
		return err
	}
	client, done := g.hub("verifying", c.Name)
	right, err := client.Verify(g.Ctx, r)
	done()
	if c.JSON {
		return errors.Join(err, g.print(map[string]any{"ok": err == nil, "right": right}))
	}
	for _, f := range right {
		g.printf("ok  %s\n", f.Name)
	}
	return adviseVerb(err)
}

// hubRemoveCmd is the verb hub rm.
type hubRemoveCmd struct{ repoArg }

// Help returns examples for --help.
func (hubRemoveCmd) Help() string {
	return `Examples:
  finetune hub rm HuggingFaceTB/SmolLM2-135M-Instruct
  finetune hub rm HuggingFaceTB/SmolLM2-135M-Instruct@main`
}

// Run removes and says what.
func (c *hubRemoveCmd) Run(g *globals) error {
	r, err := c.repo()
	if err != nil {
		return err
	}
	client, done := g.hub("removing", c.Name)
	defer done()
	if err := client.Remove(r); err != nil {
		return adviseVerb(err)
	}
	g.printf("removed %s from the cache\n", fmt.Sprint(r))
	return nil
}
