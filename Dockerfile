# syntax=docker/dockerfile:1
# The image has not been built yet: each line was run by hand, with a read-only root and uid 1000; only torch's own index
# was out of reach. CPU by default; `--build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128` for CUDA.
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# All that is ever written is under /tmp, so the root can be read-only: `docker run --read-only --tmpfs /tmp`.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HOME=/tmp \
    GRADIO_TEMP_DIR=/tmp/gradio \
    HF_HOME=/tmp/huggingface

WORKDIR /app

COPY requirements.txt .
# torch and torchvision come first and from one index, so that the rest finds them installed.
RUN pip install --index-url "$TORCH_INDEX" "torch>=2.13,<3" "torchvision>=0.28,<0.29" \
    && pip install -r requirements.txt

COPY app.py ./
COPY unlearn ./unlearn
COPY assets ./assets
COPY examples ./examples

# A number, which is no name that a host could give to root; it owns nothing.
USER 1000:1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ.get(\"UNLEARN_PORT\", 7860)}/gradio_api/app_id', timeout=4)"]
CMD ["python", "app.py"]
