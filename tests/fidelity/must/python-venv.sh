# title: python venv
# what: `python3 -m venv` with pip; a module of it compiled and run
# note: the pip in it takes half a minute of CPU time to install
cd /tmp && python3 -m venv box && . box/bin/activate
python -c 'import sys; print(sys.prefix, sys.base_prefix)'
pip --version | cut -d ' ' -f 1-2
mkdir -p box/lib/python3.13/site-packages/tiny
echo 'def main(): print("tiny runs")' > box/lib/python3.13/site-packages/tiny/__init__.py
python -c 'import tiny; tiny.main()'
python -m compileall -q box/lib/python3.13/site-packages/tiny && echo compiled
deactivate; command -v python || echo none
