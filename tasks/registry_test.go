package tasks

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
)

// TestOptionsJSON: a file of answers holds a digest of the task's JSON (finetune.EvalRun), so a task that is published
// keeps its JSON byte for byte. Otherwise old files of answers could not be continued.
func TestOptionsJSON(t *testing.T) {
	const files = `{"data":[{"path":"d","weight":0,"index":"","field":null,"eval_size":null}],"eval_data":null,"test_data":null,"eval_size":-1,"index":"","seed":0,`
	for name, want := range map[string]string{
		"biommlu":   `{"data":"d","split":"test","shots":0,"subjects":["anatomy","clinical_knowledge","college_biology","college_medicine","medical_genetics","professional_medicine"]}`,
		"classify":  files + `"text_field":"text","text_pair_field":"text_pair","label_field":"label","labels":null,"problem_type":"","threshold":0.5}`,
		"convfinqa": files + `"max_new_tokens":32}`,
		"gsm8k":     files + `"form":"metamath","max_new_tokens":0}`,
		"instruct":  files + `"max_new_tokens":256}`,
		"math":      files + `"form":"metamath","max_new_tokens":0}`,
		"medmcqa":   files + `"shots":0}`,
		"medqa":     files + `"shots":0}`,
		"memory":    `{"pairs":100,"seed":0,"format":"lines","score_key":false}`,
		"mlm":       `{"data":[{"path":"d","weight":0,"index":"","field":null,"eval_size":null}],"eval_data":null,"test_data":null,"eval_fraction":0.1,"field":["text"],"seed":0,"block_size":128,"pack":false,"isolate":false,"mlm_probability":0.15,"whole_word_mask":true}`,
		"mmlu":      `{"data":"d","split":"test","shots":0,"subjects":null}`,
		"ner":       files + `"shots":0,"words_field":"tokens","tags_field":"tags","max_new_tokens":128}`,
		"pairs":     files + `"text_field":"text","text_pair_field":"text_pair","score_field":"score","min_score":0}`,
		"pubmedqa":  files + `"shots":0}`,
		"qa":        files + `"max_seq_length":384,"doc_stride":128,"max_query_length":64,"n_best_size":20,"max_answer_length":30,"version_2_with_negative":false,"null_score_diff_threshold":0}`,
		"sentiment": files + `"shots":0}`,
		"seq2seq":   files + `"source_field":"source","target_field":"target","source_prefix":"","metric":"bleu","max_target_length":128,"num_beams":0,"length_penalty":0,"early_stopping":false,"min_length":0,"no_repeat_ngram_size":0}`,
		"text":      `{"data":[{"path":"d","weight":0,"index":"","field":null,"eval_size":null}],"eval_data":null,"test_data":null,"eval_fraction":0.1,"field":["text"],"seed":0,"block_size":128,"pack":false,"isolate":true}`,
		"tokens":    files + `"words_field":"tokens","tags_field":"tags","labels":null}`,
	} {
		options := map[string]any{}
		if slices.Contains(Options(name), "data") {
			options["data"] = "d"
		}
		if slices.Contains(Options(name), "eval_split") { // earlier files of answers are about the records at the end
			options["eval_split"] = "tail"
		}
		got, err := json.Marshal(mustNew(t, name, options))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
}

func TestErrUnknownTask(t *testing.T) {
	if _, err := New("maths", nil); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("%v is not ErrUnknownTask", err)
	}
	if _, err := NewPromptBuilder("maths", nil); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("%v is not ErrUnknownTask", err)
	}
	if _, err := New("memory", map[string]any{"pairs": 0}); errors.Is(err, ErrUnknownTask) {
		t.Errorf("%v is ErrUnknownTask", err)
	}
}
