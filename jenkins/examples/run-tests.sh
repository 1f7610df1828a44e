#!/bin/sh
# Runs the tests and leaves their JUnit files in the folder reports. Ends as the tests ended.
#
#   run-tests.sh             here: in a container of the pod that has the tools, or on the agent
#   run-tests.sh IMAGE:TAG   in a container of the image that was just built
#
# TEST_COMMAND   what to run, `make test` by default; it must write JUnit XML into $TEST_REPORTS
# TEST_REPORTS   where, `reports` by default; below the working directory, also in the image
set -eu

TEST_COMMAND=${TEST_COMMAND:-make test}
TEST_REPORTS=${TEST_REPORTS:-reports}
export TEST_REPORTS

rm -rf reports
mkdir -p reports

if [ "$#" -eq 0 ]; then
    status=0
    sh -c "$TEST_COMMAND" || status=$?
    [ "$TEST_REPORTS" = reports ] || cp -R "$TEST_REPORTS/." reports/
    exit "$status"
fi

# Created, run and copied from instead of mounted: with the node's Docker, paths of this pod mean nothing.
container=$(docker create --env TEST_REPORTS --entrypoint sh "$1" -c "$TEST_COMMAND")
trap 'docker rm --force "$container" >/dev/null' EXIT
status=0
docker start --attach "$container" || status=$?
folder=$(docker inspect --format '{{.Config.WorkingDir}}' "$container")
docker cp "$container:${folder%/}/$TEST_REPORTS/." reports/ || echo 'run-tests.sh: the tests left no reports' >&2
exit "$status"
