package hubtest

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Organization, Type string }
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		refuse(w, http.StatusBadRequest, "", "not JSON")
		return
	}
	name := map[string]string{"": "models", "model": "models", "dataset": "datasets"}[in.Type] + "/" + in.Organization + "/" + in.Name
	if s.repos[name] != nil {
		refuse(w, http.StatusConflict, "", "You already created this repo")
		return
	}
	s.repos[name] = &Repo{Files: map[string][]byte{}}
	answer(w, http.StatusOK, map[string]string{"url": s.URL + "/" + strings.TrimPrefix(name, "models/")})
}

func (s *Server) preupload(w http.ResponseWriter, r *http.Request, repo *Repo) {
	var in struct{ Files []struct{ Path string } }
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		refuse(w, http.StatusBadRequest, "", "not JSON")
		return
	}
	out := []map[string]any{}
	for _, f := range in.Files {
		e := map[string]any{"path": f.Path, "uploadMode": "regular", "shouldIgnore": false, "oid": nil}
		if repo.isLFS(f.Path) {
			e["uploadMode"] = "lfs"
		}
		if _, there := repo.Files[f.Path]; there {
			e["oid"] = repo.etag(f.Path)
		}
		out = append(out, e)
	}
	answer(w, http.StatusOK, map[string]any{"files": out})
}

// batch answers where LFS objects are to be put: on the other port, whole or in parts.
func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Objects []struct {
			Oid  string
			Size int
		}
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		refuse(w, http.StatusBadRequest, "", "not JSON")
		return
	}
	objects := []map[string]any{}
	for _, o := range in.Objects {
		e := map[string]any{"oid": o.Oid, "size": o.Size}
		objects = append(objects, e)
		if _, there := s.objects[o.Oid]; there {
			continue
		}
		upload := map[string]any{"href": s.CDN + "/put/" + o.Oid}
		if s.PartSize > 0 {
			header := map[string]string{"chunk_size": strconv.Itoa(s.PartSize)}
			for i := range int(math.Ceil(float64(o.Size) / float64(s.PartSize))) {
				header[strconv.Itoa(i+1)] = fmt.Sprintf("%s/put/%s?part=%d", s.CDN, o.Oid, i+1)
			}
			upload = map[string]any{"href": s.URL + "/lfs/complete", "header": header}
		}
		e["actions"] = map[string]any{"upload": upload, "verify": map[string]any{"href": s.URL + "/lfs/verify"}}
	}
	answer(w, http.StatusOK, map[string]any{"transfer": "basic", "objects": objects})
}

func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	if s.fault.refuse(w, "put") {
		return
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	oid := strings.TrimPrefix(r.URL.Path, "/put/")
	if part := r.URL.Query().Get("part"); part != "" {
		s.parts[oid+"/"+part] = b
		w.Header().Set("ETag", strconv.Quote(SHA256(b)))
		return
	}
	if SHA256(b) != oid {
		refuse(w, http.StatusBadRequest, "", "wrong content")
		return
	}
	s.objects[oid] = b
}

// lfs takes what ends an upload: the list of the parts, and the question whether the object is there.
func (s *Server) lfs(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Oid   string
		Parts []struct {
			PartNumber int
			Etag       string
		}
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		refuse(w, http.StatusBadRequest, "", "not JSON")
		return
	}
	if r.URL.Path == "/lfs/complete" {
		var b []byte
		for _, p := range in.Parts {
			part := s.parts[fmt.Sprintf("%s/%d", in.Oid, p.PartNumber)]
			if strconv.Quote(SHA256(part)) != p.Etag {
				refuse(w, http.StatusBadRequest, "", "wrong part")
				return
			}
			b = append(b, part...)
		}
		if SHA256(b) == in.Oid {
			s.objects[in.Oid] = b
		}
	}
	if _, there := s.objects[in.Oid]; !there {
		refuse(w, http.StatusBadRequest, "", "no such object")
		return
	}
	answer(w, http.StatusOK, map[string]any{})
}

// commit takes lines of JSON and lays their files into the repository.
func (s *Server) commit(w http.ResponseWriter, r *http.Request, name string, repo *Repo) {
	if s.fault.refuse(w, "commit") {
		return
	}
	files := maps.Clone(repo.Files)
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var line struct {
			Key   string
			Value struct{ Path, Content, Oid string }
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			refuse(w, http.StatusBadRequest, "", "not JSON")
			return
		}
		content, there := s.objects[line.Value.Oid]
		switch line.Key {
		case "file":
			content, _ = base64.StdEncoding.DecodeString(line.Value.Content)
		case "lfsFile":
			if !there {
				refuse(w, http.StatusBadRequest, "", "no such object: "+line.Value.Oid)
				return
			}
		default:
			continue
		}
		files[line.Value.Path] = slices.Clone(content)
	}
	repo.Files = files
	url := s.URL + "/" + strings.TrimPrefix(name, "models/") + "/commit/" + repo.Commit()
	answer(w, http.StatusOK, map[string]any{"success": true, "commitOid": repo.Commit(), "commitUrl": url, "hookOutput": ""})
}
