package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/internal/hubtest"
)

// server stands in for the Hub, and dir for the cache.
func server() (s *hubtest.Server, dir string) {
	s = hubtest.New()
	s.Add("models/org/tiny", map[string][]byte{"config.json": []byte(`{"model_type": "llama"}`), "model.safetensors": []byte("weights"),
		"onnx/model.onnx": []byte("not needed")})
	s.Add("datasets/org/set", map[string][]byte{"main/train/0000.parquet": []byte("rows"), "main/test/0000.parquet": []byte("rows")}).
		Refs = map[string]string{"refs/convert/parquet": ""}
	s.Add("models/org/gated", map[string][]byte{"model.safetensors": []byte("weights")}).Gated = true
	dir, err := os.MkdirTemp("", "hub")
	if err != nil {
		log.Fatal(err)
	}
	return s, dir
}

func ExampleClient_Model() {
	s, dir := server()
	defer s.Close()
	defer os.RemoveAll(dir)

	client := hub.Client{Endpoint: s.URL, CacheDir: dir} // hub.Client{} for the Hub itself, and the cache that Python uses
	snap, err := client.Model(context.Background(), "org/tiny")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range snap.Files {
		fmt.Println(f.Name, f.Size)
	}
	weights, err := os.ReadFile(snap.Path("model.safetensors"))
	fmt.Println(string(weights), err)
	// Output:
	// config.json 23
	// model.safetensors 7
	// weights <nil>
}

func ExampleClient_Model_gated() {
	s, dir := server()
	defer s.Close()
	defer os.RemoveAll(dir)

	client := hub.Client{Endpoint: s.URL, CacheDir: dir}
	_, err := client.Model(context.Background(), "org/gated")
	var status *hub.StatusError
	fmt.Println(errors.Is(err, hub.ErrGated), errors.As(err, &status) && status.Status == 403)
	// Output: true true
}

func ExampleClient_Data() {
	s, dir := server()
	defer s.Close()
	defer os.RemoveAll(dir)

	client := hub.Client{Endpoint: s.URL, CacheDir: dir}
	snap, err := client.Data(context.Background(), "org/set:main/test")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range snap.Files {
		fmt.Println(f.Name)
	}
	// Output: main/test/0000.parquet
}

func ExampleClient_Download() {
	s, dir := server()
	defer s.Close()
	defer os.RemoveAll(dir)

	client := hub.Client{Endpoint: s.URL, CacheDir: dir, Progress: func(done, total int64) {
		if done == total {
			fmt.Println(done, "of", total, "bytes")
		}
	}}
	snap, err := client.Download(context.Background(), hub.Repo{ID: "org/tiny"}, hub.Match("*.onnx"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(snap.Files[0].Name)
	// Output:
	// 10 of 10 bytes
	// onnx/model.onnx
}

func ExampleClient_Upload() {
	s, dir := server()
	defer s.Close()
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("# Mine"), 0o600); err != nil {
		log.Fatal(err)
	}

	client := hub.Client{Endpoint: s.URL, Token: "hf_…"}
	if _, err := client.Upload(context.Background(), hub.Repo{ID: "me/mine"}, dir, hub.UploadOptions{Message: "First"}); err != nil {
		log.Fatal(err)
	}
	files, err := client.List(context.Background(), hub.Repo{ID: "me/mine"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(files[0].Name)
	// Output: README.md
}
