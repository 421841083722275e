"""A real browser on a real panel: what the browser tests and tools/stills.py share."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CHROME = shutil.which('chromium') or shutil.which('google-chrome')
DRIVER = shutil.which('chromedriver')
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--force-device-scale-factor=1']
ENTER, BACKSPACE, TAB, ESCAPE, RIGHT, DOWN = '\ue007', '\ue003', '\ue004', '\ue00c', '\ue014', '\ue015'
KERNEL = dict(name='python3', display_name='Python 3', language='python')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def environment(root):
    "Settings of its own, this checkout's package, and one thread: on a busy machine several wait for each other."
    own = dict(JUPYTER_CONFIG_DIR=root/'.cfg', JUPYTERLAB_SETTINGS_DIR=root/'.settings',
               JUPYTERLAB_WORKSPACES_DIR=root/'.ws', PYTHONPATH=ROOT, OMP_NUM_THREADS=1)
    return os.environ | {name: str(value) for name, value in own.items()}


def serve(command, url, env):
    "A server process that answers at url."
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(240):
        try: return urllib.request.urlopen(url) and process
        except OSError: time.sleep(.25)
    process.kill()
    raise TimeoutError(f'no server at {url}')


def serve_lab(root, *options):
    "(process, address) of a JupyterLab in a folder."
    quiet = root/'.settings/@jupyterlab/apputils-extension'
    quiet.mkdir(parents=True)
    (quiet/'notification.jupyterlab-settings').write_text('{"fetchNews":"false","checkForUpdates":false}')
    port = free_port()
    command = [sys.executable, '-m', 'jupyterlab', '--allow-root', '--no-browser', '--ip=127.0.0.1', f'--port={port}',
               '--ServerApp.port_retries=0', '--IdentityProvider.token=', '--ServerApp.password=',
               '--ServerApp.disable_check_xsrf=True', f'--ServerApp.root_dir={root}', '--LabApp.news_url=None',
               '--expose-app-in-browser', *options]
    return serve(command, f'http://127.0.0.1:{port}/api/status', environment(root)), f'http://127.0.0.1:{port}'


def serve_page(root, *options):
    "(process, address with its token) of `hfi label`; the process leads a group of its own."
    port = free_port()
    command = [sys.executable, '-c', 'from hfi_nb.cli import run; run()', 'label', str(root), '--no-browser']
    process = subprocess.Popen([*command, f'--port={port}', *options], env=environment(root), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    address = next((line.split()[1] for line in process.stdout if line.startswith('Open ')), None)
    if address is None: raise RuntimeError(f'hfi label ended with status {process.wait()}')
    while True: # it prints its address before it listens
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return process, address
        except OSError: time.sleep(.1)


def stop(process):
    process.terminate()
    try: process.wait(10)
    except subprocess.TimeoutExpired: process.kill()


def start_driver(profile, width=1200, height=1250):
    "A headless Chromium."
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = CHROME
    for flag in [*FLAGS, f'--window-size={width},{height}', f'--user-data-dir={profile}']: options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def write_notebook(study, panel, annotator, concept='ink drawings', name=None, **options):
    "A notebook of three cells that opens a panel."
    arguments = f'{str(study)!r}, {concept!r}, {annotator!r}, {panel!r}, **{options!r}'
    code = f'from hfi_nb.feedback.annotators import open_panel\np = open_panel({arguments})\np'
    cells = [nbformat.v4.new_code_cell(text) for text in ('1 + 1', code, '"the end"')]
    nb = nbformat.v4.new_notebook(cells=cells, metadata=dict(kernelspec=KERNEL))
    nbformat.write(nb, study/f'{name or panel}.ipynb')


def kernels(url): return json.load(urllib.request.urlopen(url+'/api/kernels'))


def end_kernels(url):
    for kernel in kernels(url):
        urllib.request.urlopen(urllib.request.Request(f'{url}/api/kernels/{kernel["id"]}', method='DELETE'))


class Page:
    "What a person can see and do."
    def __init__(self, browser): self.b = browser
    def all(self, css): return self.b.find_elements('css selector', css)
    def js(self, code, *arguments): return self.b.execute_script(code, *arguments)
    def text(self, css): return self.js('return (document.querySelector(arguments[0])||{}).textContent||""', css)
    def until(self, condition, seconds=180, what='condition'):
        end = time.time()+seconds
        while not (found := condition()):
            if time.time() > end:
                raise TimeoutError(f'waited {seconds} s for {what}; {self.state()}')
            time.sleep(.02)
        return found
    def state(self):
        "What a person would tell of a page on which something does not come."
        parts = dict(panel='.hfi-panel', prompts='.jp-InputPrompt', outputs='.jp-OutputArea-output',
                     dialog='.jp-Dialog', kernel='.jp-Notebook-ExecutionIndicator')
        def told(css): return [e.get_attribute('data-status') or e.text[-300:] for e in self.all(css)]
        return ', '.join(f'{name} {texts}' for name, css in parts.items() if (texts := told(css)))
    def answered(self):
        "The kernel answers, so that a panel accepts what is done; a busy machine may take seconds."
        self.until(lambda: not self.all('.hfi-lost'), what='a kernel that answers')
    def press(self, *keys, lost=False):
        "Keys to whatever has the focus; `lost`: also while the panel says that it accepts nothing."
        from selenium.webdriver.common.action_chains import ActionChains
        if not lost: self.answered()
        ActionChains(self.b, duration=0).send_keys(*keys).perform()
    def focus(self): self.js("document.querySelector('.hfi-panel').focus()")
    def command(self, name):
        "What a menu of JupyterLab would do; on a busy machine a menu still grows, and a click meets another item."
        able = 'return !!window.jupyterapp && jupyterapp.commands.isEnabled(arguments[0])'
        self.until(lambda: self.js(able, name), 10, name)
        self.js('jupyterapp.commands.execute(arguments[0])', name)
    def open(self, url):
        "A notebook with a kernel that is there: told to run before, JupyterLab would ask for one, and then change it."
        self.b.get(url+'?reset')  # close what an earlier test left open
        kernel = ('const s = window.jupyterapp && jupyterapp.shell.currentWidget?.sessionContext,'
                  'k = s?.session?.kernel;'
                  'return !!s?.isReady && k?.connectionStatus == "connected" && k.status == "idle"')
        self.until(lambda: self.js(kernel), what='a kernel')
    def run_all(self, url):
        "Open a notebook, run all, wait for the panel."
        self.open(url)
        self.command('notebook:run-all-cells')
        self.ready()
    def ready(self):
        "All images of the page have been on the screen for as long as the panel asks, or are blurred."
        shown = '.hfi-panel[data-ready], .hfi-panel[data-conceal="blur"] .hfi-tile img[src]'
        self.until(lambda: self.all(shown), what='images')
    def drawn(self):
        "A panel that was not there before, since the page was last marked."
        self.until(lambda: self.all('.hfi-panel[data-ready]:not([data-old])'), what='a new panel')
    def says(self, css, words):
        "Wait until a part of the panel says something."
        self.until(lambda: words in self.text(css), what=f'{words!r} in {css}')
    def style(self, css, name):
        return self.js('return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]', css, name)
    def hover(self, css):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.b, duration=0).move_to_element(self.all(css)[0]).perform()
    def tap(self, css, n=0):
        "A finger on the screen, and off again; the browser makes a click of it."
        self.answered()
        self.js("document.querySelectorAll(arguments[0])[arguments[1]].scrollIntoView({block: 'center'})", css, n)
        time.sleep(.5)  # the compositor, which finds what a finger touches, learns of the scrolling a frame later
        code = 'return document.querySelectorAll(arguments[0])[arguments[1]].getBoundingClientRect().toJSON()'
        box = self.js(code, css, n)
        x, y = box['x']+box['width']/2, box['y']+box['height']/2
        touch = dict(type='touchStart', touchPoints=[dict(x=int(x), y=int(y))])
        for event in (touch, dict(type='touchEnd', touchPoints=[])):
            self.b.execute_cdp_cmd('Input.dispatchTouchEvent', event)
    def phone(self, width=390, height=844):
        "A narrow window with a touch screen."
        self.b.execute_cdp_cmd('Emulation.setDeviceMetricsOverride',
                               dict(width=width, height=height, deviceScaleFactor=1, mobile=True))
        self.b.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', dict(enabled=True))
    def desk(self, width=1200, height=1250):
        "An ordinary window with a mouse."
        self.b.execute_cdp_cmd('Emulation.setDeviceMetricsOverride',
                               dict(width=width, height=height, deviceScaleFactor=1, mobile=False))
        self.b.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', dict(enabled=False))
        self.until(lambda: self.js('return innerWidth') == width, what='a window of that width')
    def hold(self, key, times=10):
        "A key held down, as the operating system repeats it."
        for i in range(times):
            self.b.execute_cdp_cmd('Input.dispatchKeyEvent', dict(type='keyDown', key=key, text=key, autoRepeat=i > 0))
        self.b.execute_cdp_cmd('Input.dispatchKeyEvent', dict(type='keyUp', key=key))
    def picture(self, css='.hfi-panel', margin=5):
        "The screen's part where an element is."
        self.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", css)
        time.sleep(.4)  # transitions
        box = self.js('return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()', css)
        x, y, w, h = (box[name] for name in ('x', 'y', 'width', 'height'))
        shot = Image.open(BytesIO(self.b.get_screenshot_as_png())).convert('RGB')
        return shot.crop((max(0, x-margin), max(0, y-margin), x+w+margin, y+h+margin))
