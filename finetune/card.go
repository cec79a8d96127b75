package finetune

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/goccy/go-yaml"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
)

// card is what the template of a model card is filled with.
type card struct {
	*Record
	Name      string // org/name
	Title     string
	IsAdapter bool
	OnHub     bool // the base is named as on the Hub
	Kind      head.Kind
	Predicts  bool // the result predicts, as opposed to one that continues texts
	PEFT      bool // PEFT opens the adapter
	PlainLoRA bool // nothing but layers is trained, so that the adapter has a form as plain LoRA
	Tokenizer bool // the folder has one
	Scored    bool // some evaluation has a score
	Known     bool // there is a record
	YAML      string
}

// peftMethods are those whose adapters PEFT opens as they are.
var peftMethods = []string{"lora", "rslora", "loraplus", "dora", "adalora", "ia3", "vera"}

// Card returns a model card, in Markdown, for the folder of a run, an adapter or a merged model that is to be called name
// (org/name) on the Hub. It has what the run's record says; without one, what the adapter's config says.
func Card(dir, name string) (string, error) {
	c := card{Name: name, Title: name[strings.LastIndexByte(name, '/')+1:]}
	var err error
	if c.Record, err = ReadRecord(dir); err == nil {
		c.Known = true
	} else if errors.Is(err, fs.ErrNotExist) {
		c.Record = &Record{}
	} else {
		return "", fmt.Errorf("finetune: card: %w", err)
	}
	if err := c.describe(dir); err != nil {
		return "", fmt.Errorf("finetune: card: %w", err)
	}
	if c.Known {
		raw, err := yaml.Marshal(wholeNumbers(c.Recipe))
		if err != nil {
			return "", fmt.Errorf("finetune: card: %w", err)
		}
		c.YAML = strings.TrimSpace(string(raw))
	}
	c.OnHub = strings.Contains(c.Base, "/")
	c.Scored = slices.ContainsFunc(c.Evaluations, func(e Evaluation) bool { return e.Score != nil })
	var b strings.Builder
	if err := cardTemplate.Execute(&b, c); err != nil {
		return "", fmt.Errorf("finetune: card: %w", err)
	}
	return b.String(), nil
}

// wholeNumbers returns a value read from JSON with integers where numbers have no fraction.
func wholeNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = wholeNumbers(v[k])
		}
	}
	return v
}

// describe reads what the folder itself says.
func (c *card) describe(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "adapter_config.json")); err == nil {
		method, err := adapter.ReadConfig(dir)
		if err != nil {
			return err
		}
		s := method.Settings()
		c.IsAdapter, c.PlainLoRA = true, len(s.ModulesToSave)+len(s.TrainableTokenIndices.List)+len(s.TrainableTokenIndices.ByModule) == 0
		if !c.Known {
			c.Method, c.Base = adapter.MethodName(method), method.Settings().BaseModel
		}
		c.PEFT = slices.Contains(peftMethods, strings.ToLower(c.Method))
	} else if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		return fmt.Errorf("%s has neither adapter_config.json nor config.json; want the folder of an adapter or a model", dir)
	}
	setup, err := infer.ReadModelSetup(dir)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(dir, "tokenizer_config.json"))
	c.Tokenizer = err == nil
	if c.Task == "" {
		c.Task = setup.Task
	}
	c.Kind = setup.Kind
	c.Predicts = c.Kind != "" && c.Kind != head.CausalLM
	return nil
}

// pipelines maps kinds of heads to the Hub's names of what a model does, and to the classes of transformers.
var pipelines = map[head.Kind]struct{ tag, class string }{
	head.CausalLM:               {"text-generation", "AutoModelForCausalLM"},
	head.MaskedLM:               {"fill-mask", "AutoModelForMaskedLM"},
	head.Seq2SeqLM:              {"text2text-generation", "AutoModelForSeq2SeqLM"},
	head.SequenceClassification: {"text-classification", "AutoModelForSequenceClassification"},
	head.TokenClassification:    {"token-classification", "AutoModelForTokenClassification"},
	head.QuestionAnswering:      {"question-answering", "AutoModelForQuestionAnswering"},
	head.MultipleChoice:         {"multiple-choice", "AutoModelForMultipleChoice"},
	head.FeatureExtraction:      {"sentence-similarity", "AutoModel"},
}

// Pipeline returns the Hub's name for what the model does, "" where that is not known.
func (c card) Pipeline() string {
	if c.Kind == "" && !c.Known {
		return ""
	}
	return pipelines[cmp.Or(c.Kind, head.CausalLM)].tag
}

// Class returns the class of transformers that opens the model.
func (c card) Class() string { return pipelines[cmp.Or(c.Kind, head.CausalLM)].class }

// Number formats a count for people.
func (c card) Number(n int) string { return wording.Number(n) }

// Percent formats a score.
func (c card) Percent(score float64) string { return fmt.Sprintf("%.1f %%", 100*score) }

// base is what commands call the base: its name, or BASE for a folder on somebody's machine.
func (c card) base() string {
	if c.OnHub || c.Base == infer.Embedded {
		return c.Base
	}
	return "BASE"
}

// LlamaCpp returns the commands that run the result in llama.cpp and ollama, one in a line, none for models that do not
// continue texts. An adapter goes beside its base, or is merged into it where it trains more than layers.
func (c card) LlamaCpp() []string {
	run := []string{"llama-cli -m model.gguf", "ollama create model -f model.Modelfile"}
	switch {
	case c.Predicts:
		return nil
	case c.PlainLoRA:
		return []string{
			fmt.Sprintf("finetune convert --model %s --to gguf --output base.gguf", c.base()),
			fmt.Sprintf("finetune convert --model base.gguf --adapter %s --to lora-gguf --output adapter.gguf", c.Name),
			"llama-cli -m base.gguf --lora adapter.gguf",
			"ollama create model -f adapter.Modelfile",
		}
	case c.IsAdapter:
		return append([]string{fmt.Sprintf("finetune convert --model %s --adapter %s --to gguf --output model.gguf", c.base(), c.Name)}, run...)
	}
	return append([]string{fmt.Sprintf("finetune convert --model %s --to gguf --output model.gguf", c.Name)}, run...)
}

// Use returns the command that runs the result.
func (c card) Use() string {
	verb, input := "generate", "--prompt"
	switch {
	case c.Predicts:
		verb, input = "predict", "--text"
	case c.Chat:
		input = "--chat --prompt"
	}
	if !c.IsAdapter {
		return fmt.Sprintf("finetune %s --model %s %s TEXT", verb, c.Name, input)
	}
	return fmt.Sprintf("finetune %s --model %s --adapter %s %s TEXT", verb, c.base(), c.Name, input)
}

var cardTemplate = template.Must(template.New("card").Parse(`{{define "base"}}"{{.Base}}"{{if .Commit}}, revision="{{.Commit}}"{{end}}{{end -}}
---
{{- if .OnHub}}
base_model: {{.Base}}
{{- end}}
library_name: {{if .PEFT}}peft{{else if .IsAdapter}}spagotune{{else}}transformers{{end}}
{{- if .License}}
license: {{.License}}
{{- end}}
{{- if .Datasets}}
datasets:
{{- range .Datasets}}
- {{.}}
{{- end}}
{{- end}}
{{- if .Pipeline}}
pipeline_tag: {{.Pipeline}}
{{- end}}
tags:
- spagotune
{{- if .Method}}
- {{.Method}}
{{- end}}
---

# {{.Title}}

{{if .IsAdapter}}An adapter ({{.Method}}) for {{or .Base "a model"}}{{else if .Base}}{{.Base}}, fine-tuned{{if and .Method (ne .Method "full")}} with {{.Method}} and merged{{end}}{{else}}A model{{end}}
{{- if .Task}}; task {{.Task}}{{end}}. Made with [spagotune](https://github.com/spagotune/spagotune).
{{- if .Commit}}
The base is commit {{.Commit}}.
{{- end}}
{{- if .License}}
The licence is the base's.
{{- end}}

## Use

    {{.Use}}
{{if and .IsAdapter (not .OnHub) (ne .Base "embedded")}}
BASE is the folder of {{or .Base "the base"}}, which is not on the Hub.
{{end}}
{{- if and .IsAdapter .PEFT .OnHub}}
With PEFT:

    from peft import PeftModel
    from transformers import {{.Class}}, AutoTokenizer
    base = {{.Class}}.from_pretrained({{template "base" .}})
    tokenizer = AutoTokenizer.from_pretrained({{if .Tokenizer}}"{{.Name}}", config=base.config{{else}}{{template "base" .}}{{end}})
    {{- if .VocabSize}}
    base.resize_token_embeddings(len(tokenizer))
    {{- end}}
    model = PeftModel.from_pretrained(base, "{{.Name}}")
{{else if and .IsAdapter (not .PEFT)}}
PEFT does not know this method. For transformers, merge it first:

    finetune merge --model {{if .OnHub}}{{.Base}}{{else}}BASE{{end}} --adapter {{.Name}} --output merged
{{else if not .IsAdapter}}
With transformers:

    from transformers import {{.Class}}, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained("{{.Name}}")
    model = {{.Class}}.from_pretrained("{{.Name}}")
{{end}}
{{- with .LlamaCpp}}
With llama.cpp and ollama, if they know the base's architecture:
{{range .}}
    {{.}}
{{- end}}
{{end}}
{{- if .Known}}
## Training

| | |
|---|---|
| steps | {{.Number .Steps}} |
| rows | {{.Number .Rows}} |
| tokens | {{.Number .Tokens}} |
| trainable parameters | {{.Number .Trainable}} |
| training loss | {{printf "%.4f" .FirstLoss}}{{if ne .FirstLoss .LastLoss}} at first, {{printf "%.4f" .LastLoss}} at the end{{end}} |
{{- with .Evaluations}}

| step | held-out loss |{{if $.Scored}} score |{{end}}
|---|---|{{if $.Scored}}---|{{end}}
{{- range .}}
| {{.Step}} | {{printf "%.4f" .Loss}} |{{if $.Scored}} {{if .Score}}{{$.Percent .Score}}{{else}}–{{end}} |{{end}}
{{- end}}
{{- end}}

The recipe; what it does not name has its default:

` + "```yaml\n{{.YAML}}\n```" + `
{{end}}`))
