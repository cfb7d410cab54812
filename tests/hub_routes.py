"""What the loopback Hub of the tests answers, address by address."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote

import yaml
from hub_state import Commit, File, HubError, Repo, wants_lfs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from hub_server import Hub

API = "/api/{kind}/{namespace}/{name}"
PAGES = ("/{namespace}/{name}", "/{kind}/{namespace}/{name}")
KINDS = ("models", "datasets", "spaces")
TOKEN_LASTS = 3600  # seconds


class Call:
    """A request to the Hub: who asks, and about what."""

    def __init__(self, hub: Hub, request: Request, body: bytes) -> None:
        self.hub, self.request, self.body = hub, request, body
        self.user, self.role = self._caller()
        self.namespace, self.name = self.part("namespace"), self.part("name")
        self.kind = self.part("kind") or "models"

    def _caller(self) -> tuple[str | None, str | None]:
        given = self.request.headers.get("authorization")
        if given is None:
            return None, None
        token = given.removeprefix("Bearer ")
        if token not in self.hub.tokens:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.hub.tokens[token]

    def part(self, name: str) -> str:
        """A part of the address, decoded."""
        return unquote(self.request.path_params.get(name, ""))

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def owns(self, namespace: str) -> bool:
        return self.user is not None and (
            self.user == namespace or self.user in self.hub.organizations.get(namespace, ())
        )

    def repo(self) -> Repo:
        """The repository asked about; a private one does not exist for others."""
        found = self.hub.repos.get((self.kind, f"{self.namespace}/{self.name}"))
        if found is not None and (not found.private or self.owns(self.namespace)):
            return found
        if self.user is None:
            raise HubError(401, "Invalid username or password.", "RepoNotFound")
        raise HubError(404, "Repository not found", "RepoNotFound")

    def writable(self, proposing: bool = False) -> Repo:
        """The repository, for one who may change it, or ``proposing`` a pull request: anyone who may write at all."""
        repo = self.repo()
        self.must_write(self.namespace, proposing)
        return repo

    def must_write(self, namespace: str, proposing: bool = False) -> None:
        if self.user is None:
            raise HubError(401, "Invalid username or password.")
        if self.role != "write":
            raise HubError(403, "Forbidden: you must use a write token for this operation")
        if not proposing and not self.owns(namespace):
            raise HubError(403, f'Forbidden: you don\'t have the rights for the namespace "{namespace}"')

    @property
    def proposing(self) -> bool:
        return self.request.query_params.get("create_pr") in ("1", "true", "True")

    def revision(self) -> str:
        return self.part("revision") or "main"


Handler = Callable[[Call], Response]


def hub_app(hub: Hub) -> Starlette:
    """The main origin."""

    def guarded(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            with hub.lock:
                return handler(Call(hub, request, body))

        return endpoint

    routes = [Route(path, guarded(handler), methods=methods) for methods, path, handler in table()]
    return Starlette(routes=routes, exception_handlers={HubError: explain})


def table() -> list[tuple[list[str], str, Handler]]:
    """Methods, address and handler; the first that fits is taken."""
    get, post, delete = ["GET"], ["POST"], ["DELETE"]
    fixed: list[tuple[list[str], str, Handler]] = [
        (get, "/api/whoami-v2", whoami),
        (post, "/api/repos/create", create),
        (delete, "/api/repos/delete", remove),
        (post, "/api/validate-yaml", validate_yaml),
    ]
    of_a_repo: list[tuple[list[str], str, Handler]] = [
        (get, "", info),
        (get, "/revision/{revision}", info),
        (get, "/auth-check", lambda call: JSONResponse({"id": call.repo().id})),
        (["PUT"], "/settings", change_settings),
        (get, "/tree/{revision}", tree),
        (get, "/tree/{revision}/{path:path}", tree),
        (post, "/paths-info/{revision}", paths_info),
        (get, "/refs", refs),
        (get, "/commits/{revision}", commits),
        (post, "/preupload/{revision}", preupload),
        (post, "/commit/{revision}", commit),
        (post, "/branch/{revision}", create_branch),
        (delete, "/branch/{revision}", lambda call: drop(call, "refs/heads/")),
        (post, "/tag/{revision}", create_tag),
        (delete, "/tag/{revision}", lambda call: drop(call, "refs/tags/")),
        (get, "/xet-read-token/{revision}", xet_read_token),
        (get, "/xet-write-token/{revision}", xet_write_token),
        (get, "/variables", variables),
        (post, "/variables", variables),
        (delete, "/variables", variables),
        (get, "/secrets", secrets),
        (post, "/secrets", secrets),
        (delete, "/secrets", secrets),
        (post, "/restart", restart),
        (post, "/hardware", hardware),
        (get, "/runtime", lambda call: JSONResponse(call.hub.spaces[call.repo().id].runtime())),
    ]
    of_a_page: list[tuple[list[str], str, Handler]] = [
        (["GET", "HEAD"], "/resolve/{revision}/{path:path}", resolve),
        (post, ".git/info/lfs/objects/batch", lfs_batch),
        (post, ".git/info/lfs/objects/verify", lfs_verify),
    ]
    pages = [(methods, page + path, handler) for page in PAGES for methods, path, handler in of_a_page]
    return fixed + [(methods, API + path, handler) for methods, path, handler in of_a_repo] + pages


async def explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    headers = {"X-Error-Message": error.message} | error.headers
    if error.code is not None:
        headers["X-Error-Code"] = error.code
    return JSONResponse({"error": error.message} | error.extra, error.status, headers)


def whoami(call: Call) -> Response:
    if call.user is None:
        raise HubError(401, "Invalid username or password.")
    orgs = [{"type": "org", "name": name} for name, members in call.hub.organizations.items() if call.user in members]
    auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": call.role}}
    return JSONResponse({"type": "user", "id": call.user, "name": call.user, "orgs": orgs, "auth": auth})


def create(call: Call) -> Response:
    given = call.json()
    namespace = given.get("organization") or call.user or ""
    call.must_write(namespace)
    private = given.get("private") is True or given.get("visibility") == "private"
    repo_id, kind = f"{namespace}/{given['name']}", given.get("type") or "model"
    repo = call.hub.create(repo_id, kind, private, given.get("sdk"))
    if kind == "space":
        space = call.hub.spaces[repo_id]
        space.hardware = given.get("hardware", space.hardware)
        space.variables |= {each["key"]: each["value"] for each in given.get("variables", [])}
        space.secrets |= {each["key"]: each["value"] for each in given.get("secrets", [])}
    return JSONResponse({"url": call.hub.page(repo), "name": repo_id, "private": private})


def remove(call: Call) -> Response:
    given = call.json()
    call.namespace, call.name = given.get("organization") or call.user or "", given["name"]
    call.kind = f"{given.get('type') or 'model'}s"
    repo = call.writable()
    del call.hub.repos[repo.kind, repo.id]
    call.hub.spaces.pop(repo.id, None)
    return JSONResponse({})


def change_settings(call: Call) -> Response:
    repo, given = call.writable(), call.json()
    repo.private = given.get("private", given.get("visibility", "public") == "private")
    return JSONResponse({"private": repo.private})


def validate_yaml(call: Call) -> Response:
    errors = []
    try:
        front_matter(call.json()["content"])
    except yaml.YAMLError as error:
        errors.append({"message": str(error)})
    return JSONResponse({"errors": errors, "warnings": []}, 400 if errors else 200)


def front_matter(text: str) -> dict[str, Any] | None:
    found = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    loaded = yaml.safe_load(found[1]) if found else None
    return json.loads(json.dumps(loaded, default=str)) if isinstance(loaded, dict) else None


def card(call: Call, files: dict[str, File]) -> dict[str, Any] | None:
    if "README.md" not in files:
        return None
    try:
        return front_matter(call.hub.store.read(files["README.md"].sha256).decode(errors="replace"))
    except yaml.YAMLError:
        return None


def info(call: Call) -> Response:
    repo = call.repo()
    at, data = repo.at(call.revision()), card(call, repo.at(call.revision()).files)
    blobs = "blobs" in call.request.query_params
    answer = {
        "_id": repo.id,
        "id": repo.id,
        "author": repo.id.split("/")[0],
        "sha": at.oid,
        "lastModified": at.date,
        "createdAt": next(iter(repo.commits.values())).date,
        "private": repo.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": (data or {}).get("tags") or [],
        "siblings": [{"rfilename": path} | (sibling(file) if blobs else {}) for path, file in sorted(at.files.items())],
    }
    if data is not None:
        answer["cardData"] = data
        answer |= {key: data[key] for key in ("library_name", "pipeline_tag", "license") if key in data}
    if repo.kind == "spaces":
        answer |= {"sdk": (data or {}).get("sdk", repo.sdk), "runtime": call.hub.spaces[repo.id].runtime()}
    return JSONResponse(answer)


def sibling(file: File) -> dict[str, Any]:
    lfs = {"lfs": {"sha256": file.sha256, "size": file.size, "pointerSize": 130}} if file.lfs else {}
    return {"blobId": file.oid, "size": file.size} | lfs


def entry(call: Call, path: str, file: File) -> dict[str, Any]:
    """A file in a listing."""
    found: dict[str, Any] = {"type": "file", "path": path, "oid": file.oid, "size": file.size}
    if file.lfs:
        found["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
        if call.hub.xet is not None:
            found["xetHash"] = call.hub.xet.hash(file.sha256)
    return found


def folders(files: dict[str, File]) -> list[str]:
    return sorted({path[:at] for path in files for at, char in enumerate(path) if char == "/"})


def folder_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}


def tree(call: Call) -> Response:
    at = call.repo().at(call.revision())
    below = f"{call.part('path').strip('/')}/".lstrip("/")
    deep = call.request.query_params.get("recursive", "").lower() in ("1", "true")
    found = [entry(call, path, file) for path, file in sorted(at.files.items())]
    listed = [each for each in [*map(folder_entry, folders(at.files)), *found] if each["path"].startswith(below)]
    if not listed:
        raise absent(at, call.part("path"))
    return JSONResponse([each for each in listed if deep or "/" not in each["path"][len(below) :]])


def paths_info(call: Call) -> Response:
    at = call.repo().at(call.revision())
    form = call.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    wanted = parse_qs(call.body.decode()).get("paths", []) if form else call.json()["paths"]
    found = [entry(call, path, at.files[path]) for path in wanted if path in at.files]
    return JSONResponse(found + [folder_entry(path) for path in wanted if path in folders(at.files)])


def absent(at: Commit, path: str) -> HubError:
    """With the commit: clients remember that the file is not there."""
    error = HubError(404, f"{path} does not exist", "EntryNotFound")
    error.headers["X-Repo-Commit"] = at.oid
    return error


def refs(call: Call) -> Response:
    repo = call.repo()

    def under(prefix: str, cut: int = 0) -> list[dict[str, str]]:
        found = [(ref, oid) for ref, oid in repo.refs.items() if ref.startswith(prefix)]
        return [{"name": ref[cut:], "ref": ref, "targetCommit": oid} for ref, oid in found]

    named = {"branches": under("refs/heads/", 11), "tags": under("refs/tags/", 10), "converts": []}
    return JSONResponse(named | {"pullRequests": under("refs/pr/")})


def commits(call: Call) -> Response:
    history = call.repo().history(call.revision())
    return JSONResponse(
        [
            {"id": c.oid, "authors": [{"user": c.author}], "date": c.date, "title": c.message, "message": ""}
            for c in history
        ]
    )


def create_branch(call: Call) -> Response:
    repo, ref = call.writable(), f"refs/heads/{call.revision()}"
    if ref in repo.refs:
        raise HubError(409, "Reference already exists")
    repo.refs[ref] = repo.at(call.json().get("startingPoint") or "main").oid
    return JSONResponse({})


def create_tag(call: Call) -> Response:
    repo, ref = call.writable(), f"refs/tags/{call.json()['tag']}"
    if ref in repo.refs:
        raise HubError(409, "Tag reference exists already")
    repo.refs[ref] = repo.at(call.revision()).oid
    return JSONResponse({})


def drop(call: Call, prefix: str) -> Response:
    repo = call.writable()
    if call.revision() == "main":
        raise HubError(403, "Cannot delete the main branch")
    if repo.refs.pop(prefix + call.revision(), None) is None:
        raise HubError(404, f"Invalid rev id: {call.revision()}", "RevisionNotFound")
    return JSONResponse({})


def preupload(call: Call) -> Response:
    repo = call.writable(call.proposing)
    there = repo.at(call.revision()).files
    files = [
        {
            "path": each["path"],
            "uploadMode": "lfs" if wants_lfs(each["path"], each["size"]) else "regular",
            "shouldIgnore": False,
            "oid": there[each["path"]].etag if each["path"] in there else None,
        }
        for each in call.json()["files"]
    ]
    return JSONResponse({"files": files})


def commit(call: Call) -> Response:
    repo = call.writable(call.proposing)
    lines = [json.loads(line) for line in call.body.splitlines() if line.strip()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    ref, parent = target(repo, call.revision()), repo.at(call.revision())
    if header.get("parentCommit") not in (None, parent.oid):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(parent.files)
    for line in lines:
        apply(call, files, line["key"], line["value"])
    pull = 1 + sum(known.startswith("refs/pr/") for known in repo.refs)
    made = repo.advance(
        f"refs/pr/{pull}" if call.proposing else ref, files, header["summary"], call.user or "", parent.oid
    )
    page = call.hub.page(repo)
    answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{page}/commit/{made.oid}", "hookOutput": ""}
    return JSONResponse(answer | ({"pullRequestUrl": f"{page}/discussions/{pull}"} if call.proposing else {}))


def target(repo: Repo, revision: str) -> str:
    """The branch or pull request that a commit to ``revision`` moves."""
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    if ref not in repo.refs:
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return ref


def apply(call: Call, files: dict[str, File], key: str, value: dict[str, Any]) -> None:
    """One line of a commit."""
    if key == "file":
        files[value["path"]] = call.hub.store.file(base64.b64decode(value["content"]), lfs=False)
    elif key == "lfsFile":
        files[value["path"]] = uploaded(call, value["path"], value["oid"])
    elif key == "deletedFile":
        if files.pop(value["path"], None) is None:
            raise HubError(404, f"{value['path']} does not exist", "EntryNotFound")
    elif key == "deletedFolder":
        for path in [path for path in files if path.startswith(value["path"].rstrip("/") + "/")]:
            del files[path]


def uploaded(call: Call, path: str, sha256: str) -> File:
    xet, store = call.hub.xet, call.hub.store
    if sha256 not in store and not (xet is not None and xet.receive(sha256)):
        raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path}")
    return store.pointer(sha256)


def lfs_batch(call: Call) -> Response:
    call.writable(proposing=True)  # which branch, and so whose, the commit will say
    return JSONResponse({"transfer": "basic", "objects": [lfs_object(call, each) for each in call.json()["objects"]]})


def lfs_object(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    oid, size = wanted["oid"], wanted["size"]
    if oid in call.hub.store:
        return {"oid": oid, "size": size}
    upload = f"{call.hub.lfs_url}/upload/{oid}?size={size}&signature=test"
    verify = f"{call.hub.url}{call.request.url.path.removesuffix('/batch')}/verify"
    return {"oid": oid, "size": size, "actions": {"upload": {"href": upload}, "verify": {"href": verify}}}


def lfs_verify(call: Call) -> Response:
    call.writable(proposing=True)
    given = call.json()
    if given["oid"] not in call.hub.store or call.hub.store.pointer(given["oid"]).size != given["size"]:
        raise HubError(404, "Object not found")
    return JSONResponse({"oid": given["oid"], "size": given["size"]})


def resolve(call: Call) -> Response:
    repo, path = call.repo(), call.part("path")
    at = repo.at(call.revision())
    if path not in at.files:
        raise absent(at, path)
    file = at.files[path]
    headers = {"X-Repo-Commit": at.oid, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
    if not file.lfs:
        return ranged(call.request, call.hub.store.read(file.sha256), headers)
    headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    headers["Location"] = f"{call.hub.lfs_url}/content/{file.sha256}?signature=test"
    if call.hub.xet is not None:
        route = f"{call.hub.url}/api/{repo.kind}/{repo.id}/xet-read-token/{at.oid}"
        headers |= {"X-Xet-Hash": call.hub.xet.hash(file.sha256), "Link": f'<{route}>; rel="xet-auth"'}
    return Response(f"Found. Redirecting to {quote(headers['Location'])}", 302, headers)


def ranged(request: Request, data: bytes, headers: dict[str, str]) -> Response:
    """The part asked for, or all."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if found is None:
        return Response(data, 200, headers, "application/octet-stream")
    first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
    if first > last:
        return Response(b"", 416, headers | {"Content-Range": f"bytes */{len(data)}"})
    headers |= {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return Response(data[first : last + 1], 206, headers, "application/octet-stream")


def xet_read_token(call: Call) -> Response:
    at = call.repo().at(call.revision())
    return xet_token(call, lambda xet: xet.download_url(at))


def xet_write_token(call: Call) -> Response:
    call.writable(call.proposing or call.revision().startswith("refs/pr/"))
    return xet_token(call, lambda xet: xet.upload_url())


def xet_token(call: Call, folder: Callable[[Any], str]) -> Response:
    if call.hub.xet is None:
        raise HubError(404, "Xet is not enabled for this repository")
    url, expires = folder(call.hub.xet), int(time.time()) + TOKEN_LASTS
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": "xet-token", "X-Xet-Token-Expiration": str(expires)}
    return JSONResponse({"accessToken": "xet-token", "exp": expires, "casUrl": url}, headers=headers)


def variables(call: Call) -> Response:
    values = call.hub.spaces[call.writable().id].variables
    change(call, values)
    return JSONResponse({key: {"value": value} for key, value in values.items()})


def secrets(call: Call) -> Response:
    """Their values can be set, never read."""
    values = call.hub.spaces[call.writable().id].secrets
    change(call, values)
    return JSONResponse({key: {"key": key} for key in values})


def change(call: Call, values: dict[str, str]) -> None:
    if call.request.method == "POST":
        values[call.json()["key"]] = call.json()["value"]
    elif call.request.method == "DELETE":
        values.pop(call.json()["key"], None)


def restart(call: Call) -> Response:
    space = call.hub.spaces[call.writable().id]
    space.restarts.append(call.request.query_params.get("factory") == "true")
    return JSONResponse(space.runtime())


def hardware(call: Call) -> Response:
    space, given = call.hub.spaces[call.writable().id], call.json()
    space.hardware, space.sleep_time = given["flavor"], given.get("sleepTimeSeconds")
    return JSONResponse(space.runtime())


def lfs_app(hub: Hub) -> Starlette:
    """The second origin: content by its hash, no accounts. Like S3 it refuses a token next to a signed address."""

    async def content(request: Request) -> Response:
        sha256 = signed(request)
        if sha256 not in hub.store:
            raise HubError(404, "NoSuchKey")
        return ranged(request, hub.store.read(sha256), {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"})

    async def upload(request: Request) -> Response:
        sha256, data = signed(request), await request.body()
        if hashlib.sha256(data).hexdigest() != sha256 or len(data) != int(request.query_params["size"]):
            raise HubError(400, "The content does not match its sha256 or its size")
        hub.store.add(data)
        return Response(b"", 200)

    routes = [
        Route("/content/{sha256}", content, methods=["GET", "HEAD"]),
        Route("/upload/{sha256}", upload, methods=["PUT"]),
    ]
    return Starlette(routes=routes, exception_handlers={HubError: explain})


def signed(request: Request) -> str:
    if "authorization" in request.headers:
        raise HubError(400, "Only one auth mechanism allowed")
    return str(request.path_params["sha256"])
