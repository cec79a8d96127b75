package pipeline_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nlpodyssey/cybertron/pkg/tasks/languagemodeling"
	"github.com/nlpodyssey/cybertron/pkg/tasks/questionanswering"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textgeneration"
	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/zeroshotclassifier"

	"github.com/spagotune/spagotune/pipeline"
)

func ExampleNewTokenClassifier() {
	m, tok := example("BertForTokenClassification", "O", "B-PET", "I-PET")
	task, err := pipeline.NewTokenClassifier(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := task.Classify(context.Background(), "The cat ran home.", tokenclassification.Parameters{})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range r.Tokens {
		fmt.Printf("%s %d-%d %s\n", t.Text, t.Start, t.End, t.Label)
	}
	// Output:
	// The 0-3 O
	// cat 4-7 B-PET
	// ran 8-11 O
	// home 12-16 B-PET
	// . 16-17 O
}

func ExampleNewQuestionAnswerer() {
	m, tok := example("BertForQuestionAnswering")
	task, err := pipeline.NewQuestionAnswerer(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := task.ExtractAnswer(context.Background(), "Who ran?", "The cat ran home.", &questionanswering.Options{MaxAnswers: 1, MinScore: 0.01})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", r.Answers[0].Text)
	// Output: "home."
}

func ExampleNewLanguageModel() {
	m, tok := example("BertForMaskedLM")
	task, err := pipeline.NewLanguageModel(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := task.Predict(context.Background(), "The [MASK] ran home.", languagemodeling.Parameters{K: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(r.Tokens), r.Tokens[0].Words)
	// Output: 1 [about mat]
}

func ExampleNewZeroShotClassifier() {
	m, tok := example("BertForSequenceClassification", "contradiction", "neutral", "entailment")
	task, err := pipeline.NewZeroShotClassifier(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := task.Classify(context.Background(), "The cat ran home.", zeroshotclassifier.Parameters{
		CandidateLabels: []string{"cat", "dog"}, HypothesisTemplate: "this is about {}.",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Labels, r.Scores[0] > r.Scores[1])
	// Output: [dog cat] true
}

func ExampleNewTextGenerator() {
	m, tok := fromConfig(`{"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "vocab_size": 23, "d_model": 8, "encoder_ffn_dim": 16,
		"decoder_ffn_dim": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
		"max_position_embeddings": 24, "init_std": 0.5, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}`)
	task, err := pipeline.NewTextGenerator(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := task.Generate(context.Background(), "The cat ran home.", textgeneration.DefaultOptions())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(r.Texts), len(r.Scores))
	// Output: 1 1
}
