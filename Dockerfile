# syntax=docker/dockerfile:1
# CPU by default; `--build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128` for CUDA.
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_TEMP_DIR=/tmp/gradio \
    HF_HOME=/tmp/huggingface

RUN useradd --create-home --uid 1000 app
WORKDIR /home/app/unlearn-clip

COPY requirements.txt .
# torch and torchvision come first and from one index, so that the rest finds them installed.
RUN pip install --index-url "$TORCH_INDEX" "torch>=2.13,<3" torchvision \
    && pip install -r requirements.txt

COPY --chown=root:root app.py ./
COPY --chown=root:root unlearn ./unlearn
COPY --chown=root:root assets ./assets
COPY --chown=root:root examples ./examples

USER app
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["python", "app.py"]
