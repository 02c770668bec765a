import { cleanup, render as mount } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { render } from "./report";

afterEach(cleanup);

test("a report is shown with its pictures", () => {
  const { container } = mount(<>{render('<style>p{}</style><main><h1>It</h1><table><thead><tr> <th style="text-align: right">n</th> </tr></thead></table><img src="images/loss.svg" alt="Loss"></main>', "a run")}</>);
  expect(container.querySelector("h1")!.textContent).toBe("It");
  expect(container.querySelector("th")!.className).toBe("num");
  expect(container.querySelector("img")!.getAttribute("src")).toBe("/api/v1/experiments/a%20run/report/images/loss.svg");
  expect(container.textContent).not.toContain("p{}");
});

test.each([
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '<img src="https://elsewhere.example/x.png">',
  '<img src="images/../../secret">',
  "<iframe src=/></iframe>",
  "<svg><a href='javascript:alert(1)'>x</a></svg>",
  '<a href="javascript:alert(1)">x</a>',
  "<p onclick=alert(1)>x</p>",
  "<form action=/><button>x</button></form>",
])("%s does nothing", html => {
  const { container } = mount(<>{render(html, "id")}</>);
  expect(container.querySelector("script, img, iframe, svg, form, a, [onclick]")).toBeNull();
});
